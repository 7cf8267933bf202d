// What the page keeps in the browser.
import type { ErrorKind } from '../api/errors';
import type { ToolCall } from '../api/types';

/** What a conversation asks of the model. A missing number means the server's default. */
export interface Params {
  system: string;
  temperature?: number;
  top_p?: number;
  max_tokens?: number;
  frequency_penalty?: number;
  presence_penalty?: number;
  stop: string[];
  json: boolean;
  /** The `tools` array as the user wrote it: JSON, or empty. */
  tools: string;
  toolChoice: 'auto' | 'none' | 'required';
}

export interface Conversation {
  id: string;
  title: string;
  createdAt: number;
  updatedAt: number;
  params: Params;
  /** Which child is shown, by parent ('' stands for the root); the newest where nothing is said. */
  choices: Record<string, string>;
  /** Set while the deletion can still be undone; then it is purged. */
  deletedAt?: number;
}

export interface AttachedFile {
  name: string;
  text: string;
  /** Unknown while counting, or where the server cannot count. */
  tokens?: number;
}

/** Figures of one request; an answer that was continued has several. */
export interface RunStats {
  promptTokens: number;
  hitTokens: number;
  missTokens: number;
  completionTokens: number;
  firstTokenMs: number;
  /** From the first token to the last. */
  decodeMs: number;
  acceptedDrafts?: number;
  rejectedDrafts?: number;
}

export type MessageState =
  'streaming' | 'done' | 'stopped' | 'length' | 'filtered' | 'resource' | 'error';

export interface Message {
  id: string;
  conversationId: string;
  parentId: string | null;
  role: 'user' | 'assistant' | 'tool';
  content: string;
  createdAt: number;
  state: MessageState;
  files?: AttachedFile[];
  toolCalls?: ToolCall[];
  toolCallId?: string;
  /** Asked for in JSON mode. */
  json?: boolean;
  error?: { kind: ErrorKind; message: string; status: number };
  runs?: RunStats[];
}

export function freshParams(): Params {
  return { system: '', stop: [], json: false, tools: '', toolChoice: 'auto' };
}
