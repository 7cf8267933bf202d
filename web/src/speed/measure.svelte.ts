// One side of the comparison: an answer and when each of its pieces came.
import { streamChat } from '../api/client';
import type { ChatRequest, Usage } from '../api/types';
import { acceptedShare, tokensPerSecond } from '../chat/stats';

/** So much of the answer was there at so many milliseconds after the first token. */
export interface Point {
  ms: number;
  chars: number;
}

export class Lane {
  state = $state<'idle' | 'running' | 'done'>('idle');
  text = $state('');
  points = $state.raw<Point[]>([]);
  firstTokenMs = $state<number | undefined>();
  usage = $state.raw<Usage | undefined>();
  error = $state('');
  /** Pieces received so far: a good guess of the tokens until the usage is known. */
  private pieces = $state(0);

  constructor(readonly speculation: boolean) {}

  get tokens(): number {
    return this.usage?.completion_tokens ?? this.pieces;
  }

  get lastMs(): number {
    return this.points.at(-1)?.ms ?? 0;
  }

  /** Tokens a second from the first token to the last one so far. */
  get perSecond(): number | undefined {
    return tokensPerSecond({ completionTokens: this.tokens, decodeMs: this.lastMs });
  }

  get accepted(): number | undefined {
    const details = this.usage?.completion_tokens_details;
    return acceptedShare({
      acceptedDrafts: details?.accepted_prediction_tokens,
      rejectedDrafts: details?.rejected_prediction_tokens,
    });
  }

  reset(): void {
    this.state = 'idle';
    this.text = '';
    this.points = [];
    this.firstTokenMs = undefined;
    this.usage = undefined;
    this.error = '';
    this.pieces = 0;
  }

  async measure(request: ChatRequest, signal: AbortSignal): Promise<void> {
    this.reset();
    this.state = 'running';
    const started = performance.now();
    let first = 0;
    try {
      for await (const event of streamChat({ ...request, speculation: this.speculation }, signal)) {
        if (event.kind !== 'chunk') continue;
        const { usage, choices } = event.chunk;
        if (usage) this.usage = usage;
        const piece = choices[0]?.delta.content;
        if (!piece) continue;
        const now = performance.now();
        first ||= now;
        this.firstTokenMs ??= first - started;
        this.pieces++;
        this.text += piece;
        this.points = [...this.points, { ms: now - first, chars: this.text.length }];
      }
    } catch (error) {
      if ((error as Error).name !== 'AbortError') this.error = (error as Error).message;
    }
    this.state = 'done';
  }

  /** How much of the text had come at `ms`. */
  charsAt(ms: number): number {
    let chars = 0;
    for (const point of this.points) {
      if (point.ms > ms) break;
      chars = point.chars;
    }
    return chars;
  }
}
