// Conversations to files and back.
import { db, loadMessages } from './db';
import { freshParams, type Conversation, type Message } from './types';

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
  return (parsed.conversations ?? []).map((entry, index) => {
    const { messages, ...conversation } = entry;
    if (!Array.isArray(messages)) throw new Error(`conversations[${index}].messages is missing`);
    return {
      conversation: checkedConversation(conversation),
      messages: messages.map(checkedMessage),
    };
  });
}

function checkedConversation(from: Conversation): Conversation {
  const now = Date.now();
  return {
    id: '',
    title: String(from.title ?? ''),
    createdAt: Number(from.createdAt) || now,
    updatedAt: Number(from.updatedAt) || now,
    params: { ...freshParams(), ...from.params },
    choices: { ...from.choices },
  };
}

function checkedMessage(from: Message, index: number): Message {
  if (!['user', 'assistant', 'tool'].includes(from.role)) {
    throw new Error(`messages[${index}].role is "${from.role}"`);
  }
  if (typeof from.content !== 'string' || typeof from.id !== 'string') {
    throw new Error(`messages[${index}] lacks its id or content`);
  }
  return {
    ...from,
    parentId: from.parentId ?? null,
    state: from.state === 'streaming' ? 'stopped' : from.state,
  };
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
  const conversation = checkedConversation({
    title: fileName.replace(/\.\w+$/, ''),
  } as Conversation);
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
      if (kind === 'assistant' && extra)
        message.toolCalls = JSON.parse(extra) as Message['toolCalls'];
      messages.push(message);
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
