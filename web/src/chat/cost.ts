// What an answer costs at the server's prices, in nano-units (10^-9 yuan or dollar): whole numbers,
// as the server's ledger counts.
import type { PriceRow } from '../api/types';
import type { RunStats } from '../data/types';

/** A price per million tokens is this many nano-units a token when multiplied by 1000. */
function nanoPerToken(pricePerMillion: string): number {
  return Math.round(Number(pricePerMillion) * 1000);
}

export function costNano(run: RunStats, prices: PriceRow): number {
  return (
    run.hitTokens * nanoPerToken(prices.input_cache_hit) +
    run.missTokens * nanoPerToken(prices.input_cache_miss) +
    run.completionTokens * nanoPerToken(prices.output)
  );
}

export function formatCost(nano: number, currency: string): string {
  const sign = currency === 'USD' ? '$' : '¥';
  const value = nano / 1e9;
  if (value === 0) return `${sign}0`;
  if (value >= 0.01) return sign + value.toFixed(4);
  // The first two digits that are not zero.
  const digits = Math.min(9, Math.ceil(-Math.log10(value)) + 1);
  return sign + value.toFixed(digits);
}
