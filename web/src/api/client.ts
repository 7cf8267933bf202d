// The requests that the page makes: all to its own origin.
import { requestBody } from './body';
import { ApiError, errorOf, kindOfStatus } from './errors';
import { SseParser } from './sse';
import type { Balance, ChatRequest, Chunk, ServerInfo } from './types';

export type StreamEvent = { kind: 'waiting' } | { kind: 'chunk'; chunk: Chunk };

let apiKey = '';

export function setApiKey(key: string): void {
  apiKey = key.trim();
}

async function send(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (apiKey) headers.set('Authorization', `Bearer ${apiKey}`);
  if (init.body) headers.set('Content-Type', 'application/json');
  try {
    return await fetch(path, { ...init, headers, cache: 'no-store', credentials: 'omit' });
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error;
    throw new ApiError('network', String((error as Error).message));
  }
}

async function json<T>(path: string, init?: RequestInit): Promise<T> {
  const response = await send(path, init);
  if (!response.ok) throw await errorOf(response);
  return (await response.json()) as T;
}

export function fetchInfo(): Promise<ServerInfo> {
  return json<ServerInfo>('/fathom/info');
}

export async function fetchModels(): Promise<string[]> {
  const { data } = await json<{ data: { id: string }[] }>('/models');
  return data.map((model) => model.id);
}

export async function fetchBalance(): Promise<Balance[]> {
  return (await json<{ balance_infos: Balance[] }>('/user/balance')).balance_infos;
}

/** How many tokens the text is, by the server's own tokenizer. */
export async function countTokens(text: string, signal?: AbortSignal): Promise<number> {
  const body = JSON.stringify({ text });
  const answer = await json<{ count?: number; tokens?: unknown[] }>('/tokenize', {
    method: 'POST',
    body,
    signal,
  });
  return answer.count ?? answer.tokens?.length ?? 0;
}

/**
 * Streams an answer. Ends after `[DONE]`; throws ApiError, or an AbortError when `signal` fires.
 */
export async function* streamChat(
  request: ChatRequest,
  signal: AbortSignal,
): AsyncGenerator<StreamEvent> {
  const continues = request.messages.at(-1)?.prefix === true;
  const body = await requestBody(request);
  const response = await send(continues ? '/beta/chat/completions' : '/chat/completions', {
    method: 'POST',
    body,
    signal,
  });
  if (!response.ok) throw await errorOf(response);
  if (!response.body) throw new ApiError('cut', 'The answer has no body.');
  const reader = response.body.getReader();
  const parser = new SseParser();
  try {
    for (;;) {
      const { done, value } = await readOrCut(reader);
      if (done) throw new ApiError('cut', 'The stream ended before [DONE].');
      for (const line of parser.feed(value)) {
        if (line.kind === 'comment') yield { kind: 'waiting' };
        else if (line.data === '[DONE]') return;
        else yield { kind: 'chunk', chunk: parseChunk(line.data) };
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function readOrCut(reader: ReadableStreamDefaultReader<Uint8Array>) {
  try {
    return await reader.read();
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error;
    throw new ApiError('cut', String((error as Error).message));
  }
}

function parseChunk(data: string): Chunk {
  let chunk: Chunk;
  try {
    chunk = JSON.parse(data) as Chunk;
  } catch {
    throw new ApiError('server', `The server sent a line that is not JSON: ${data.slice(0, 120)}`);
  }
  if (chunk.error) {
    const status = Number(chunk.error.code) || 500;
    throw new ApiError(kindOfStatus(status), chunk.error.message, status);
  }
  return chunk;
}
