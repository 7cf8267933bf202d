// Before a server of another project, as its package ships it: openai-mock-api. It calls its
// stream plain text, streams without any usage, and its function calls have no index and end with
// "stop".
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import OpenAI from 'openai';
import { weather } from '../harness/calls.mjs';
import { account, chat, customer, events, post, say, scratch } from '../harness/server.mjs';
import { startBefore } from '../harness/upstream.mjs';

async function freePort() {
  const server = net.createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

const args = '{"city": "Paris"}';
const script = `
apiKey: sk-foreign
responses:
  - id: greeting
    messages:
      - { role: user, content: hello }
      - { role: assistant, content: "Hello from another project, friend." }
  - id: call
    messages:
      - { role: user, content: weather }
      - role: assistant
        content: null
        tool_calls: [{ id: call_1, type: function, function: { name: get_weather, arguments: '${args}' } }]
  - id: later
    messages:
      - { role: user, content: first }
      - { role: assistant, content: one }
      - { role: user, content: second }
      - { role: assistant, content: two }
`;

async function startForeign(t) {
  const folder = scratch(t);
  writeFileSync(join(folder, 'script.yaml'), script);
  const port = await freePort();
  const program = fileURLToPath(new URL('../node_modules/openai-mock-api/dist/cli.js', import.meta.url));
  const child = spawn(process.execPath, [program, '--config', join(folder, 'script.yaml'), '--port', String(port)], { stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  for (let tries = 0; ; ++tries) {
    try {
      await fetch(`http://127.0.0.1:${port}/health`);
      break;
    } catch {
      assert.ok(tries < 300 && child.exitCode === null, 'the foreign server does not start');
      await new Promise((done) => setTimeout(done, 100));
    }
  }
  return { url: `http://127.0.0.1:${port}/v1` };
}

test('before a server of another project', async (t) => {
  const foreign = await startForeign(t);
  const flags = { '--upstream-model': 'gpt-4', '--upstream-key-env': 'FOREIGN_KEY' };
  const server = await startBefore(t, foreign, flags, { env: { FOREIGN_KEY: 'sk-foreign' } });
  const key = customer(server.ledger, 'ann', { paid: '1' });

  await t.test('chat, whole and streamed, charged by what can be known', async () => {
    const { status, body } = await chat(server, 'hello', {}, { key });
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body.choices[0].message.content, 'Hello from another project, friend.');
    assert.equal(body.choices[0].finish_reason, 'stop');
    assert.equal(body.usage.prompt_tokens, 1);
    // DeepSeek's rule of thumb for each word: 0.3 tokens a letter, and at least one.
    assert.equal(body.usage.completion_tokens, 8);
    const { chunks } = await events(await post(server, '/chat/completions', say('hello', { stream: true }), { key }));
    assert.equal(chunks.map((c) => c.choices[0].delta.content).join(''), 'Hello from another project, friend.');
    assert.equal(Math.round(Number(account(server.ledger, 'ann').total_balance) * 1e9), 1_000_000_000 - 2 * (2000 + 8 * 8000));
  });
  await t.test('function calls, with the client of a third', async () => {
    const client = new OpenAI({ baseURL: server.url, apiKey: key, maxRetries: 0 });
    const answer = await client.chat.completions.create({ model: 'deepseek-chat', messages: [{ role: 'user', content: 'weather' }], tools: [weather] });
    assert.equal(answer.choices[0].finish_reason, 'tool_calls');
    assert.deepEqual(answer.choices[0].message.tool_calls[0].function, { name: 'get_weather', arguments: args });
  });
  await t.test('a conversation', async () => {
    const messages = [{ role: 'user', content: 'first' }, { role: 'assistant', content: 'one' }, { role: 'user', content: 'second' }];
    assert.equal((await chat(server, '', { messages }, { key })).body.choices[0].message.content, 'two');
  });
  await t.test('its refusal is told, our wrong key is not', async () => {
    const { status, body } = await chat(server, 'what nobody wrote', {}, { key });
    assert.deepEqual([status, body.error.message], [400, 'No matching response found for the provided messages']);
    const wrong = await startBefore(t, foreign, { '--upstream-model': 'gpt-4', '--upstream-kind': 'openai' });
    assert.equal((await chat(wrong, 'hello')).status, 500);
  });
});
