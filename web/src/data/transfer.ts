// Conversations to files and back.
import type { ToolCall } from '../api/types';
import * as is from './checks';
import { db, loadMessages } from './db';
import { freshParams, type Conversation, type Message, type Params, type RunStats } from './types';

const kFormat = 'fathom-conversations';

interface Exported {
  format: typeof kFormat;
  version: 1;
  conversations: (Conversation & { messages: Message[] })[];
}

export async function exportJson(ids: string[]): Promise<string> {
  const out: Exported = { format: kFormat, version: 1, conversations: [] };
  for (const id of ids) {
    const conversation = await db.conversations.get(id);
    if (conversation) out.conversations.push({ ...conversation, messages: await loadMessages(id) });
  }
  return JSON.stringify(out, null, 2);
}

export interface Imported {
  conversation: Conversation;
  messages: Message[];
}

/** Reads a file of ours by its content. Throws an Error that says what is wrong. */
export function parseImport(text: string, fileName: string): Imported[] {
  return text.trimStart().startsWith('{') ? fromJson(text) : [fromMarkdown(text, fileName)];
}

/** Stores what was read under fresh ids, so that nothing that is there is replaced. */
export async function storeImported(all: Imported[]): Promise<void> {
  await db.transaction('rw', db.conversations, db.messages, async () => {
    for (const { conversation, messages } of all) {
      const renamed = new Map(messages.map((m) => [m.id, crypto.randomUUID() as string]));
      const fresh = (id: string) => renamed.get(id) ?? id;
      const id = crypto.randomUUID();
      const choices = Object.fromEntries(
        Object.entries(conversation.choices).map(([parent, child]) => [
          fresh(parent),
          fresh(child),
        ]),
      );
      await db.conversations.add({ ...conversation, id, choices, deletedAt: undefined });
      await db.messages.bulkAdd(
        messages.map((m) => ({
          ...m,
          id: fresh(m.id),
          conversationId: id,
          parentId: m.parentId === null ? null : fresh(m.parentId),
        })),
      );
    }
  });
}

function fromJson(text: string): Imported[] {
  const parsed = JSON.parse(text) as Partial<Exported>;
  if (parsed.format !== kFormat) throw new Error(`format is not "${kFormat}"`);
  const { conversations = [] } = parsed;
  if (!Array.isArray(conversations)) throw new Error('conversations is not a list');
  return conversations.map((entry: unknown, index) => {
    const where = `conversations[${index}]`;
    const messages = (entry as Partial<Imported> | null)?.messages;
    if (!Array.isArray(messages)) throw new Error(`${where}.messages is missing`);
    return {
      conversation: checkedConversation(entry as object, where),
      messages: messages.map((m, at) => checkedMessage(m, `${where}.messages[${at}]`)),
    };
  });
}

const kParams: Record<keyof Params, is.Check> = {
  system: is.text,
  temperature: is.optional(is.number),
  top_p: is.optional(is.number),
  max_tokens: is.optional(is.number),
  frequency_penalty: is.optional(is.number),
  presence_penalty: is.optional(is.number),
  stop: is.listOf(is.text),
  json: is.flag,
  tools: is.text,
  toolChoice: is.oneOf('auto', 'none', 'required'),
};

/** What is missing gets its usual value; so do dates and choices that are wrong: little is lost. */
function checkedConversation(from: Partial<Conversation>, where: string): Conversation {
  const now = Date.now();
  const params = { ...freshParams(), ...from.params };
  return {
    id: '',
    title: String(from.title ?? ''),
    createdAt: is.date(from.createdAt) ? from.createdAt! : now,
    updatedAt: is.date(from.updatedAt) ? from.updatedAt! : now,
    params: is.checkedFields<Params>(params, kParams, `${where}.params`),
    choices: is.mapOf(is.text)(from.choices) ? { ...from.choices } : {},
  };
}

const kToolCalls = is.listOf(
  is.shape({
    id: is.text,
    type: is.oneOf('function'),
    function: is.shape({ name: is.text, arguments: is.text }),
  }),
);

const kRun: Record<keyof RunStats, is.Check> = {
  promptTokens: is.number,
  hitTokens: is.number,
  missTokens: is.number,
  completionTokens: is.number,
  firstTokenMs: is.number,
  decodeMs: is.number,
  acceptedDrafts: is.optional(is.number),
  rejectedDrafts: is.optional(is.number),
};

const kMessage: Record<Exclude<keyof Message, 'conversationId'>, is.Check> = {
  role: is.oneOf('user', 'assistant', 'tool'),
  id: is.text,
  parentId: (value) => value === null || is.text(value),
  content: is.text,
  createdAt: is.date,
  state: is.oneOf('streaming', 'done', 'stopped', 'length', 'filtered', 'resource', 'error'),
  files: is.optional(
    is.listOf(is.shape({ name: is.text, text: is.text, tokens: is.optional(is.number) })),
  ),
  toolCalls: is.optional(kToolCalls),
  toolCallId: is.optional(is.text),
  json: is.optional(is.flag),
  error: is.optional(
    is.shape({
      kind: is.oneOf('key', 'balance', 'request', 'busy', 'server', 'network', 'cut'),
      message: is.text,
      status: is.number,
    }),
  ),
  runs: is.optional(is.listOf(is.shape(kRun))),
};

function checkedMessage(from: unknown, where: string): Message {
  const message = {
    conversationId: '',
    ...is.checkedFields<Omit<Message, 'conversationId'>>(from, kMessage, where),
  };
  // Whatever wrote it does not go on here.
  if (message.state === 'streaming') message.state = 'stopped';
  return message;
}

// Markdown: the branch on show, for people to read. Each message starts with a comment line that
// names its role, by which it is read back.

const kMark = /^<!-- fathom:(title|system|user|assistant|tool|file)(?: (.*))? -->$/;
const kEscaped = /^<!-- (\\*)fathom:/gm;

const escapeMarks = (text: string) => text.replace(kEscaped, '<!-- \\$1fathom:');
const unescapeMarks = (text: string) => text.replace(/^<!-- \\(\\*)fathom:/gm, '<!-- $1fathom:');

export function toMarkdown(conversation: Conversation, path: Message[]): string {
  const out = [`<!-- fathom:title -->\n# ${conversation.title}`];
  if (conversation.params.system.trim()) {
    out.push(`<!-- fathom:system -->\n${escapeMarks(conversation.params.system)}`);
  }
  for (const message of path) {
    const extra = message.role === 'tool' ? ` ${message.toolCallId ?? ''}` : '';
    const calls = message.toolCalls?.length ? ` ${JSON.stringify(message.toolCalls)}` : '';
    out.push(`<!-- fathom:${message.role}${extra}${calls} -->\n${escapeMarks(message.content)}`);
    for (const file of message.files ?? []) {
      out.push(`<!-- fathom:file ${file.name} -->\n${escapeMarks(file.text)}`);
    }
  }
  return out.join('\n\n') + '\n';
}

function fromMarkdown(text: string, fileName: string): Imported {
  const now = Date.now();
  const conversation = checkedConversation({ title: fileName.replace(/\.\w+$/, '') }, fileName);
  const messages: Message[] = [];
  for (const { kind, extra, body } of sectionsOf(text)) {
    if (kind === 'title') conversation.title = body.replace(/^# /, '');
    else if (kind === 'system') conversation.params.system = body;
    else if (kind === 'file') {
      const last = messages.at(-1);
      if (last) (last.files ??= []).push({ name: extra, text: body });
    } else {
      const message: Message = {
        id: crypto.randomUUID(),
        conversationId: '',
        parentId: messages.at(-1)?.id ?? null,
        role: kind as Message['role'],
        content: body,
        createdAt: now + messages.length,
        state: 'done',
      };
      if (kind === 'tool') message.toolCallId = extra;
      if (kind === 'assistant' && extra) message.toolCalls = JSON.parse(extra) as ToolCall[];
      messages.push(checkedMessage(message, `messages[${messages.length}]`));
    }
  }
  if (messages.length === 0) throw new Error('no line like <!-- fathom:user -->');
  return { conversation, messages };
}

function sectionsOf(text: string): { kind: string; extra: string; body: string }[] {
  const sections: { kind: string; extra: string; lines: string[] }[] = [];
  for (const line of text.replace(/\r\n/g, '\n').split('\n')) {
    const mark = kMark.exec(line);
    if (mark) sections.push({ kind: mark[1]!, extra: mark[2] ?? '', lines: [] });
    else sections.at(-1)?.lines.push(line);
  }
  // Each section is closed by one empty line, which is not the message's own.
  return sections.map(({ kind, extra, lines }) => ({
    kind,
    extra,
    body: unescapeMarks(lines.join('\n').replace(/\n$/, '')),
  }));
}

export function download(name: string, text: string, type: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name.replace(/[\\/:*?"<>|\n]+/g, ' ').trim() || 'fathom';
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
