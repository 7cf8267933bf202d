// The clients that people use, unmodified: only their base URL is changed.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { createDeepSeek } from '@ai-sdk/deepseek';
import { HumanMessage, SystemMessage, ToolMessage } from '@langchain/core/messages';
import { tool as langchainTool } from '@langchain/core/tools';
import { ChatDeepSeek } from '@langchain/deepseek';
import { generateText, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { z } from 'zod';
import { callText, weather } from '../harness/calls.mjs';
import { customer, startScripted } from '../harness/server.mjs';

const paris = callText(['get_weather', '{"city": "Paris"}']);
const user = (content) => [{ role: 'user', content }];

async function withKey(t) {
  const server = await startScripted(t);
  return { server, key: customer(server.ledger, 'ann', { paid: '10' }) };
}

test('openai', async (t) => {
  const { server, key } = await withKey(t);
  const client = new OpenAI({ baseURL: server.url, apiKey: key, maxRetries: 0 });
  const beta = new OpenAI({ baseURL: `${server.url}/beta`, apiKey: key, maxRetries: 0 });
  const model = 'deepseek-chat';

  await t.test('models', async () => {
    assert.deepEqual((await client.models.list()).data.map((m) => m.id), [model]);
    assert.equal((await client.models.retrieve(model)).owned_by, 'deepseek');
  });
  await t.test('chat', async () => {
    const answer = await client.chat.completions.create({ model, messages: user('hello') });
    assert.equal(answer.choices[0].message.content, 'hello');
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  });
  await t.test('stream', async () => {
    const stream = await client.chat.completions.create({ model, messages: user('[[slow 5]]a b c'), stream: true, stream_options: { include_usage: true } });
    let text = '', usage;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, 'a b c');
    assert.equal(usage.completion_tokens, 6);
  });
  await t.test('tools, round trip, with its own runner', async () => {
    const asked = [];
    const runner = client.chat.completions.runTools({
      model,
      messages: user(paris),
      tools: [{ type: 'function', function: { ...weather.function, parse: JSON.parse, function: ({ city }) => (asked.push(city), `sunny in ${city}`) } }],
    });
    assert.equal(await runner.finalContent(), 'sunny in Paris');
    assert.deepEqual(asked, ['Paris']);
  });
  await t.test('JSON', async () => {
    const messages = [{ role: 'system', content: 'JSON please' }, ...user('{"a": 1}')];
    const answer = await client.chat.completions.create({ model, messages, response_format: { type: 'json_object' } });
    assert.deepEqual(JSON.parse(answer.choices[0].message.content), { a: 1 });
  });
  await t.test('FIM', async () => {
    const answer = await beta.completions.create({ model, prompt: 'a', suffix: 'b' });
    assert.equal(answer.choices[0].text, '<a|b>');
  });
  await t.test('prefix', async () => {
    const messages = [...user('one two'), { role: 'assistant', content: 'one', prefix: true }];
    assert.equal((await beta.chat.completions.create({ model, messages })).choices[0].message.content, ' two');
  });
  await t.test('logprobs', async () => {
    const answer = await client.chat.completions.create({ model, messages: user('ab'), logprobs: true, top_logprobs: 1 });
    assert.deepEqual(answer.choices[0].logprobs.content.map((c) => c.token), ['a', 'b']);
  });
  await t.test('errors', async () => {
    await assert.rejects(client.chat.completions.create({ model: 'x', messages: user('a') }), (e) => e instanceof OpenAI.BadRequestError && /Model Not Exist/.test(e.message));
    await assert.rejects(client.chat.completions.create({ model, messages: [{ role: 'user', content: 5 }] }), (e) => e instanceof OpenAI.UnprocessableEntityError);
    const stranger = new OpenAI({ baseURL: server.url, apiKey: 'sk-wrong', maxRetries: 0 });
    await assert.rejects(stranger.models.list(), (e) => e instanceof OpenAI.AuthenticationError && /Authentication Fails \(no such user\)/.test(e.message));
    const poor = new OpenAI({ baseURL: server.url, apiKey: customer(server.ledger, 'poor'), maxRetries: 0 });
    await assert.rejects(poor.chat.completions.create({ model, messages: user('a') }), (e) => e.status === 402 && /Insufficient Balance/.test(e.message));
    await assert.rejects(client.chat.completions.create({ model, messages: user('[[fail]]abcdef') }), (e) => e instanceof OpenAI.InternalServerError);
    await assert.rejects(client.chat.completions.create({ model, messages: user('[[full]]abc') }), (e) => e.status === 503);
  });
  await t.test('abort', async () => {
    const stream = await client.chat.completions.create({ model, messages: user(`[[slow 20]]${'x'.repeat(500)}`), stream: true });
    let chunks = 0;
    for await (const _ of stream) if (++chunks === 3) stream.controller.abort();
    assert.ok(chunks < 50);
    for (let tries = 0; !server.logged().some((l) => l.outcome === 'disconnected'); ++tries) {
      assert.ok(tries < 100, 'the server did not notice');
      await new Promise((done) => setTimeout(done, 20));
    }
  });
});

test('@ai-sdk/deepseek', async (t) => {
  const { server, key } = await withKey(t);
  const model = createDeepSeek({ baseURL: server.url, apiKey: key })('deepseek-chat');
  const get_weather = tool({
    description: 'The weather of a city',
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `sunny in ${city}`,
  });

  await t.test('chat', async () => {
    const { text, usage, finishReason, providerMetadata } = await generateText({ model, prompt: 'hello' });
    assert.equal(text, 'hello');
    assert.equal(finishReason, 'stop');
    assert.equal(usage.outputTokens, 6);
    assert.equal(providerMetadata.deepseek.promptCacheHitTokens, 0);
  });
  await t.test('stream', async () => {
    const { textStream, usage } = streamText({ model, prompt: '[[slow 5]]a b c' });
    let text = '';
    for await (const part of textStream) text += part;
    assert.equal(text, 'a b c');
    assert.equal((await usage).outputTokens, 6);
  });
  await t.test('tools, round trip, whole and streamed', async () => {
    const call = { model, prompt: paris, tools: { get_weather }, stopWhen: stepCountIs(3) };
    assert.match((await generateText(call)).text, /sunny in Paris/);
    const streamed = streamText(call);
    assert.match(await streamed.text, /sunny in Paris/);
    assert.equal((await streamed.steps).length, 2);
  });
  await t.test('errors', async () => {
    const stranger = createDeepSeek({ baseURL: server.url, apiKey: 'sk-wrong' })('deepseek-chat');
    await assert.rejects(generateText({ model: stranger, prompt: 'x', maxRetries: 0 }), (e) => e.statusCode === 401 && /Authentication Fails/.test(e.message));
  });
  await t.test('abort', async () => {
    const abort = new AbortController();
    const { textStream } = streamText({ model, prompt: `[[slow 20]]${'x'.repeat(500)}`, abortSignal: abort.signal, onError: () => {} });
    let parts = 0;
    for await (const _ of textStream) if (++parts === 3) abort.abort();
    assert.ok(parts < 50);
  });
});

test('@langchain/deepseek', async (t) => {
  const { server, key } = await withKey(t);
  const model = new ChatDeepSeek({ model: 'deepseek-chat', apiKey: key, maxRetries: 0, configuration: { baseURL: server.url } });

  await t.test('chat', async () => {
    const answer = await model.invoke([new SystemMessage('be brief'), new HumanMessage('hello')]);
    assert.equal(answer.content, 'hello');
    assert.equal(answer.usage_metadata.output_tokens, 6);
  });
  await t.test('stream', async () => {
    let text = '';
    for await (const chunk of await model.stream('[[slow 5]]a b c')) text += chunk.content;
    assert.equal(text, 'a b c');
  });
  await t.test('tools, round trip', async () => {
    const get_weather = langchainTool(async ({ city }) => `sunny in ${city}`, {
      name: 'get_weather', description: 'The weather of a city', schema: z.object({ city: z.string() }),
    });
    const bound = model.bindTools([get_weather]);
    const call = await bound.invoke(paris);
    assert.deepEqual(call.tool_calls.map((c) => [c.name, c.args]), [['get_weather', { city: 'Paris' }]]);
    const result = await get_weather.invoke(call.tool_calls[0]);
    assert.ok(result instanceof ToolMessage);
    assert.equal((await bound.invoke([new HumanMessage(paris), call, result])).content, 'sunny in Paris');
  });
  await t.test('errors', async () => {
    const stranger = new ChatDeepSeek({ model: 'deepseek-chat', apiKey: 'sk-wrong', maxRetries: 0, configuration: { baseURL: server.url } });
    await assert.rejects(stranger.invoke('x'), (e) => /401|Authentication Fails/.test(e.message));
  });
});

test('curl', async (t) => {
  const { server, key } = await withKey(t);
  const curl = async (...args) => (await promisify(execFile)('curl', ['-s', ...args])).stdout;
  const headers = ['-H', `Authorization: Bearer ${key}`, '-H', 'Content-Type: application/json'];
  const body = JSON.stringify({ model: 'deepseek-chat', messages: user('hi'), stream: true });

  const stream = await curl(`${server.url}/chat/completions`, ...headers, '-d', body);
  assert.ok(stream.endsWith('data: [DONE]\n\n'));
  assert.deepEqual(JSON.parse(await curl(`${server.url}/user/balance`, ...headers)).balance_infos[0].currency, 'CNY');
  const http10 = await curl('--http1.0', `${server.url}/chat/completions`, ...headers, '-d', body);
  assert.ok(http10.endsWith('data: [DONE]\n\n'));
  const status = await curl('-o', '/dev/null', '-w', '%{http_code}', `${server.url}/models`);
  assert.equal(status, '401');
  // A body that is announced first, as curl does with large ones.
  const big = JSON.stringify({ model: 'deepseek-chat', messages: user('y'.repeat(60)), pad: 'z'.repeat(2e6) });
  const answer = await promisify(execFile)('sh', ['-c', `printf '%s' "$BIG" | curl -s ${server.url}/chat/completions -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json' -H 'Expect: 100-continue' --data-binary @-`], { env: { ...process.env, BIG: big.slice(0, 100_000) + '"}' } });
  assert.equal(JSON.parse(answer.stdout).choices[0].message.content, 'y'.repeat(60));
});
