import type { Usage } from '../api/types';
import type { RunStats } from '../data/types';

export interface Timing {
  startedAt: number;
  firstTokenAt: number;
  lastTokenAt: number;
}

export function runStats(usage: Usage, timing: Timing): RunStats {
  const hit = usage.prompt_cache_hit_tokens ?? 0;
  const drafts = usage.completion_tokens_details;
  return {
    promptTokens: usage.prompt_tokens,
    hitTokens: hit,
    missTokens: usage.prompt_cache_miss_tokens ?? usage.prompt_tokens - hit,
    completionTokens: usage.completion_tokens,
    firstTokenMs: timing.firstTokenAt - timing.startedAt,
    decodeMs: timing.lastTokenAt - timing.firstTokenAt,
    acceptedDrafts: drafts?.accepted_prediction_tokens,
    rejectedDrafts: drafts?.rejected_prediction_tokens,
  };
}

/** Tokens a second between the first token and the last; nothing for answers of one token. */
export function tokensPerSecond(
  run: Pick<RunStats, 'completionTokens' | 'decodeMs'>,
): number | undefined {
  if (run.completionTokens < 2 || run.decodeMs <= 0) return undefined;
  return ((run.completionTokens - 1) * 1000) / run.decodeMs;
}

/** The share of drafted tokens that the model kept, 0 to 1. */
export function acceptedShare(
  run: Pick<RunStats, 'acceptedDrafts' | 'rejectedDrafts'>,
): number | undefined {
  const kept = run.acceptedDrafts ?? 0;
  const all = kept + (run.rejectedDrafts ?? 0);
  return all > 0 ? kept / all : undefined;
}

/** All requests behind one answer, as one row: the first one's prompt and wait, the sum of the rest. */
export function total(runs: RunStats[]): RunStats | undefined {
  const [first, ...rest] = runs;
  if (!first) return undefined;
  const sum = { ...first };
  for (const run of rest) {
    sum.completionTokens += run.completionTokens;
    sum.decodeMs += run.decodeMs;
    if (run.acceptedDrafts !== undefined)
      sum.acceptedDrafts = (sum.acceptedDrafts ?? 0) + run.acceptedDrafts;
    if (run.rejectedDrafts !== undefined)
      sum.rejectedDrafts = (sum.rejectedDrafts ?? 0) + run.rejectedDrafts;
  }
  return sum;
}

/** How much of the context is in use after an answer. */
export function contextAfter(runs: RunStats[] | undefined): number | undefined {
  const last = runs?.at(-1);
  return last && last.promptTokens + last.completionTokens;
}
