import { describe, expect, it } from 'vitest';
import { parseImport, toMarkdown } from './transfer';
import { freshParams, type Conversation, type Message } from './types';

const conversation: Conversation = {
  id: 'c',
  title: 'Soundings — 水深',
  createdAt: 1,
  updatedAt: 2,
  params: { ...freshParams(), system: 'Be brief.\n\nVery.' },
  choices: {},
};

function message(role: Message['role'], content: string, more: Partial<Message> = {}): Message {
  const { id } = conversation;
  return {
    id: content,
    conversationId: id,
    parentId: null,
    role,
    content,
    createdAt: 0,
    state: 'done',
    ...more,
  };
}

const kCalls = [
  { id: 'c1', type: 'function' as const, function: { name: 'f', arguments: '{"a":1}' } },
];
const kPath = [
  message('user', 'Depth?\n\n- one\n\n', { files: [{ name: 'a b.txt', text: 'x\n\ny\n' }] }),
  message('assistant', '', { toolCalls: kCalls }),
  message('tool', '{"depth": 40}', { toolCallId: 'c1' }),
  message('assistant', '<!-- fathom:user -->\n<!-- \\fathom:tool -->\n```\ncode\n```'),
];

describe('Markdown', () => {
  it('comes back as it went', () => {
    const [read] = parseImport(toMarkdown(conversation, kPath), 'x.md');
    expect(read!.conversation.title).toBe(conversation.title);
    expect(read!.conversation.params.system).toBe(conversation.params.system);
    const kept = ({ role, content, files, toolCalls, toolCallId }: Message) => ({
      role,
      content,
      files,
      toolCalls,
      toolCallId,
    });
    expect(read!.messages.map(kept)).toEqual(kPath.map(kept));
    read!.messages.forEach((m, i) => expect(m.parentId).toBe(i ? read!.messages[i - 1]!.id : null));
  });

  it('takes its title from the file where it has none', () => {
    const [read] = parseImport('<!-- fathom:user -->\nHi\n', 'Harbour notes.md');
    expect(read!.conversation.title).toBe('Harbour notes');
    expect(read!.messages[0]!.content).toBe('Hi');
  });

  it('reads the line ends of other systems', () => {
    const text = toMarkdown(conversation, kPath).replaceAll('\n', '\r\n');
    expect(parseImport(text, 'x.md')[0]!.messages).toHaveLength(kPath.length);
  });

  it('refuses a text without messages', () => {
    expect(() => parseImport('# Notes', 'x.md')).toThrow('no line like <!-- fathom:user -->');
  });
});

describe('JSON', () => {
  const file = (value: object) =>
    JSON.stringify({ format: 'fathom-conversations', version: 1, ...value });

  it('settles answers that were being written', () => {
    const open = { ...message('assistant', 'Half'), state: 'streaming' };
    const [read] = parseImport(
      file({ conversations: [{ ...conversation, messages: [open] }] }),
      'x',
    );
    expect(read!.messages[0]!.state).toBe('stopped');
  });

  it('refuses what is not its own, and says where', () => {
    expect(() => parseImport('{"format":"x"}', 'x')).toThrow('format is not');
    expect(() => parseImport(file({ conversations: [{}] }), 'x')).toThrow(
      'conversations[0].messages is missing',
    );
    const unknown = { conversations: [{ messages: [{ role: 'boss' }] }] };
    expect(() => parseImport(file(unknown), 'x')).toThrow('messages[0].role is "boss"');
    const bare = { conversations: [{ messages: [{ role: 'user' }] }] };
    expect(() => parseImport(file(bare), 'x')).toThrow('messages[0].id is missing');
  });

  const imported = (more: object, ...messages: object[]) =>
    parseImport(file({ conversations: [{ ...conversation, ...more, messages }] }), 'x')[0]!;

  it('takes every field that an export has', () => {
    const run = {
      promptTokens: 7,
      hitTokens: 0,
      missTokens: 7,
      completionTokens: 2,
      firstTokenMs: 1.5,
      decodeMs: 3,
    };
    const error = { kind: 'cut' as const, message: 'cut', status: 0 };
    const full = message('assistant', 'a', { json: true, error, runs: [run], toolCalls: kCalls });
    const { messages } = imported({}, ...kPath, full);
    expect(messages).toEqual([...kPath, full].map((m) => ({ ...m, conversationId: '' })));
  });

  it('has a date that can be shown for every conversation', () => {
    const before = Date.now();
    for (const updatedAt of [-1e18, 'yesterday', null]) {
      const read = imported({ updatedAt, choices: 7 }).conversation;
      expect(read.updatedAt).toBeGreaterThanOrEqual(before);
      expect(read.choices).toEqual({});
    }
    expect(imported({ updatedAt: -5 }).conversation.updatedAt).toBe(-5);
  });

  it('refuses fields of a wrong type, and says which', () => {
    const params = { ...freshParams(), tools: 5 };
    expect(() => imported({ params })).toThrow('conversations[0].params.tools is 5');
    for (const [name, value] of Object.entries({
      toolCalls: [{}],
      files: [{ name: 'a' }],
      runs: [null],
      state: 'running',
      error: 'cut',
      createdAt: -1e18,
      content: undefined,
    })) {
      const wrong = { ...message('assistant', 'a'), [name]: value };
      const place = `conversations[0].messages[0].${name} is `;
      expect(() => imported({}, wrong), name).toThrow(place);
    }
    expect(() => parseImport('<!-- fathom:assistant [{}] -->\nHi\n', 'x.md')).toThrow(
      'messages[0].toolCalls is [{}]',
    );
  });
});
