import { describe, expect, it } from 'vitest';
import { costNano, formatCost } from './cost';
import { acceptedShare, runStats, tokensPerSecond, total } from './stats';

const usage = {
  prompt_tokens: 2000,
  completion_tokens: 500,
  total_tokens: 2500,
  prompt_cache_hit_tokens: 1600,
  prompt_cache_miss_tokens: 400,
};
const timing = { startedAt: 1000, firstTokenAt: 1200, lastTokenAt: 2200 };

describe('cost', () => {
  const prices = { input_cache_hit: '0.1', input_cache_miss: '1', output: '2' };

  it('counts in whole nano-units', () => {
    expect(costNano(runStats(usage, timing), prices)).toBe(1600 * 100 + 400 * 1000 + 500 * 2000);
  });

  it('shows the first two digits that say something', () => {
    expect(formatCost(1_560_000, 'CNY')).toBe('¥0.0016');
    expect(formatCost(12_345_678_900, 'USD')).toBe('$12.3457');
    expect(formatCost(34, 'USD')).toBe('$0.000000034');
    expect(formatCost(0, 'CNY')).toBe('¥0');
  });
});

describe('stats', () => {
  it('measures speed between the first token and the last', () => {
    const run = runStats(usage, timing);
    expect(run.firstTokenMs).toBe(200);
    expect(tokensPerSecond(run)).toBe(499);
    expect(tokensPerSecond({ ...run, completionTokens: 1 })).toBeUndefined();
  });

  it('takes what a server leaves out as missed', () => {
    const run = runStats({ prompt_tokens: 7, completion_tokens: 1, total_tokens: 8 }, timing);
    expect([run.hitTokens, run.missTokens]).toEqual([0, 7]);
    expect(acceptedShare(run)).toBeUndefined();
  });

  it('adds up the requests of one answer', () => {
    const details = { accepted_prediction_tokens: 3, rejected_prediction_tokens: 1 };
    const run = runStats({ ...usage, completion_tokens_details: details }, timing);
    const sum = total([run, run])!;
    expect([sum.promptTokens, sum.completionTokens, sum.decodeMs]).toEqual([2000, 1000, 2000]);
    expect(acceptedShare(sum)).toBe(0.75);
    expect(total([])).toBeUndefined();
  });
});
