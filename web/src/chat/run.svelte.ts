// One answer while it is being written.
import { streamChat } from '../api/client';
import { ApiError } from '../api/errors';
import type { ChatRequest, Chunk, ToolCall, ToolCallDelta, Usage } from '../api/types';
import { attempt } from '../data/attempt';
import { db } from '../data/db';
import type { Message } from '../data/types';
import { runStats, type Timing } from './stats';

/** How often a growing answer is written to the database. */
const kSaveMs = 1000;

export class Run {
  /** What is shown, brought up to date once a frame. */
  text = $state('');
  toolCalls = $state.raw<ToolCall[]>([]);
  phase = $state<'waiting' | 'queued' | 'writing' | 'over'>('waiting');
  readonly startedAt = performance.now();

  private readonly abort = new AbortController();
  private received: string;
  private frame = 0;
  private savedAt = 0;
  private usage: Usage | undefined;
  private finish = '';
  private timing: Timing = { startedAt: this.startedAt, firstTokenAt: 0, lastTokenAt: 0 };

  /** `message` is the answer to fill; what it holds already stays in front. */
  constructor(readonly message: Message) {
    this.received = message.content;
    this.text = message.content;
  }

  stop(): void {
    this.abort.abort();
  }

  /**
   * Runs to the end, whatever it is, and leaves the result in the message and the database; returns
   * whether that took it.
   */
  async follow(request: ChatRequest): Promise<boolean> {
    const { message } = this;
    try {
      for await (const event of streamChat(request, this.abort.signal)) {
        if (event.kind === 'chunk') this.take(event.chunk);
        else if (this.phase === 'waiting') this.phase = 'queued';
      }
      message.state = stateOf(this.finish);
    } catch (error) {
      if ((error as Error).name === 'AbortError') message.state = 'stopped';
      else this.fail(error as Error);
    }
    if (this.usage && this.timing.firstTokenAt > 0) {
      message.runs = [...(message.runs ?? []), runStats(this.usage, this.timing)];
    }
    this.copyToMessage();
    cancelAnimationFrame(this.frame);
    this.text = this.received;
    this.phase = 'over';
    return this.save();
  }

  private fail(error: Error): void {
    const { message } = this;
    message.state = 'error';
    message.error =
      error instanceof ApiError
        ? { kind: error.kind, message: error.message, status: error.status }
        : { kind: 'server', message: error.message, status: 0 };
  }

  private take(chunk: Chunk): void {
    if (chunk.usage) this.usage = chunk.usage;
    const choice = chunk.choices[0];
    if (!choice) return;
    if (choice.finish_reason) this.finish = choice.finish_reason;
    const { content, tool_calls } = choice.delta;
    if (!content && !tool_calls?.length) return;
    this.markToken();
    if (content) this.received += content;
    if (tool_calls) this.toolCalls = mergeToolCalls(this.toolCalls, tool_calls);
    this.frame ||= requestAnimationFrame(() => this.show());
  }

  private markToken(): void {
    const now = performance.now();
    this.timing.firstTokenAt ||= now;
    this.timing.lastTokenAt = now;
    this.phase = 'writing';
  }

  private show(): void {
    this.frame = 0;
    this.text = this.received;
    const now = performance.now();
    if (now - this.savedAt < kSaveMs) return;
    this.savedAt = now;
    this.copyToMessage();
    void this.save();
  }

  private copyToMessage(): void {
    this.message.content = this.received;
    if (this.toolCalls.length > 0) this.message.toolCalls = this.toolCalls;
  }

  private async save(): Promise<boolean> {
    // An update, not a put: a conversation that was deleted meanwhile must not come back.
    const saved = await attempt(() => db.messages.update(this.message.id, { ...this.message }));
    return saved !== undefined;
  }
}

function stateOf(finish: string): Message['state'] {
  if (finish === 'length') return 'length';
  if (finish === 'content_filter') return 'filtered';
  if (finish === 'insufficient_system_resource') return 'resource';
  return 'done';
}

export function mergeToolCalls(calls: ToolCall[], deltas: ToolCallDelta[]): ToolCall[] {
  const out = calls.map((call) => ({ ...call, function: { ...call.function } }));
  for (const delta of deltas) {
    const call = (out[delta.index] ??= {
      id: '',
      type: 'function',
      function: { name: '', arguments: '' },
    });
    if (delta.id) call.id = delta.id;
    call.function.name += delta.function?.name ?? '';
    call.function.arguments += delta.function?.arguments ?? '';
  }
  return out;
}
