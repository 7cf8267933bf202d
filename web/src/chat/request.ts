// From the messages on show to the request for the next answer.
import type { ChatRequest, WireMessage } from '../api/types';
import type { AttachedFile, Message, Params } from '../data/types';

/** The model's own template for files before a question. */
export function withFiles(files: AttachedFile[], question: string): string {
  const blocks = files.map(
    (file) => `[file name]: ${file.name}\n[file content begin]\n${file.text}\n[file content end]\n`,
  );
  return blocks.join('') + question;
}

export function toWire(message: Message): WireMessage {
  if (message.role === 'tool') {
    return { role: 'tool', content: message.content, tool_call_id: message.toolCallId };
  }
  if (message.role === 'user') {
    return { role: 'user', content: withFiles(message.files ?? [], message.content) };
  }
  const wire: WireMessage = { role: 'assistant', content: message.content };
  if (message.toolCalls?.length) wire.tool_calls = message.toolCalls;
  return wire;
}

export type ToolsResult = { tools: unknown[] } | { problem: 'json' | 'shape'; detail: string };

/**
 * Reads what the user wrote as function definitions: the API's `tools` array, bare functions, or
 * one of either.
 */
export function parseTools(source: string): ToolsResult {
  if (source.trim() === '') return { tools: [] };
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch (error) {
    return { problem: 'json', detail: (error as Error).message };
  }
  const tools: unknown[] = [];
  for (const item of Array.isArray(value) ? value : [value]) {
    const entry = item as { type?: string; name?: unknown; function?: { name?: unknown } } | null;
    const fn = entry?.function ?? entry;
    if (typeof fn?.name !== 'string' || !/^[\w-]{1,64}$/.test(fn.name)) {
      return { problem: 'shape', detail: JSON.stringify(item)?.slice(0, 80) ?? '' };
    }
    tools.push({ type: 'function', function: fn });
  }
  return { tools };
}

/** `path` ends with what is to be answered; with `continues`, with the answer to go on from. */
export function buildRequest(
  model: string,
  path: Message[],
  params: Params,
  continues: boolean,
): ChatRequest {
  const messages: WireMessage[] = [];
  if (params.system.trim()) messages.push({ role: 'system', content: params.system });
  // Answers that failed before their first word say nothing.
  messages.push(
    ...path.filter((m) => m.role !== 'assistant' || m.content || m.toolCalls).map(toWire),
  );
  if (continues) messages[messages.length - 1]!.prefix = true;

  const request: ChatRequest = {
    model,
    messages,
    stream: true,
    stream_options: { include_usage: true },
  };
  const { temperature, top_p, max_tokens, frequency_penalty, presence_penalty } = params;
  Object.assign(request, { temperature, top_p, max_tokens, frequency_penalty, presence_penalty });
  if (params.stop.length > 0) request.stop = params.stop;
  if (params.json) request.response_format = { type: 'json_object' };
  const parsed = parseTools(params.tools);
  if ('tools' in parsed && parsed.tools.length > 0) {
    request.tools = parsed.tools;
    if (params.toolChoice !== 'auto') request.tool_choice = params.toolChoice;
  }
  return request;
}
