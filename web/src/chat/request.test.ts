import { describe, expect, it } from 'vitest';
import { freshParams, type Message } from '../data/types';
import { buildRequest, parseTools } from './request';

const said = (role: Message['role'], content: string, more: Partial<Message> = {}): Message => ({
  id: content,
  conversationId: 'c',
  parentId: null,
  role,
  content,
  createdAt: 0,
  state: 'done',
  ...more,
});

describe('parseTools', () => {
  const tool = { type: 'function', function: { name: 'f', parameters: {} } };

  it('takes the array of the API, bare functions, and one of either', () => {
    for (const source of [[tool], tool, [tool.function], tool.function]) {
      expect(parseTools(JSON.stringify(source))).toEqual({ tools: [tool] });
    }
    expect(parseTools('  ')).toEqual({ tools: [] });
  });

  it('says what is wrong', () => {
    expect(parseTools('[{')).toMatchObject({ problem: 'json' });
    for (const bad of ['[1]', '[null]', '{}', '{"name":"a b"}', `{"name":"${'x'.repeat(65)}"}`]) {
      expect(parseTools(bad)).toMatchObject({ problem: 'shape' });
    }
  });
});

describe('buildRequest', () => {
  it('leaves out what is not set', () => {
    const request = buildRequest('m', [said('user', 'Hi')], freshParams(), false);
    expect(JSON.parse(JSON.stringify(request))).toEqual({
      model: 'm',
      messages: [{ role: 'user', content: 'Hi' }],
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  it('skips answers that failed before their first word', () => {
    const path = [
      said('user', 'Hi'),
      said('assistant', '', { state: 'error' }),
      said('user', 'Again'),
    ];
    const { messages } = buildRequest('m', path, freshParams(), false);
    expect(messages.map((m) => m.content)).toEqual(['Hi', 'Again']);
  });

  it('continues the last answer as a prefix', () => {
    const path = [said('user', 'Hi'), said('assistant', 'Half')];
    const { messages } = buildRequest('m', path, freshParams(), true);
    expect(messages.at(-1)).toEqual({ role: 'assistant', content: 'Half', prefix: true });
  });

  it('puts files before the question, by the model’s own template', () => {
    const path = [said('user', 'What is it?', { files: [{ name: 'a.c', text: 'x' }] })];
    expect(buildRequest('m', path, freshParams(), false).messages[0]!.content).toBe(
      '[file name]: a.c\n[file content begin]\nx\n[file content end]\nWhat is it?',
    );
  });
});
