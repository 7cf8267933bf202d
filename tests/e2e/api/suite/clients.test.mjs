// The clients that people use, unmodified: only their base URL is changed.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { createDeepSeek } from '@ai-sdk/deepseek';
import { HumanMessage, SystemMessage, ToolMessage } from '@langchain/core/messages';
import { tool as langchainTool } from '@langchain/core/tools';
import { ChatDeepSeek } from '@langchain/deepseek';
import { generateObject, generateText, stepCountIs, streamObject, streamText, tool } from 'ai';
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

/** One that gives signs of life every 50 ms, which must not get into anybody's JSON. */
const waitingServer = (t) => startScripted(t, { '--keep-alive-ms': 50 });

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
  await t.test('while it waits, whole and streamed', async () => {
    const waiting = await waitingServer(t);
    const patient = new OpenAI({ baseURL: waiting.url, apiKey: 'none', maxRetries: 0 });
    const asked = { model, messages: user('[[wait 300]]late') };
    assert.equal((await patient.chat.completions.create(asked)).choices[0].message.content, 'late');
    let text = '';
    for await (const chunk of await patient.chat.completions.create({ ...asked, stream: true })) text += chunk.choices[0].delta.content;
    assert.equal(text, 'late');
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
  await t.test('JSON, by its own object mode', async () => {
    const schema = z.object({ city: z.string(), degrees: z.number() });
    const { object } = await generateObject({ model, schema, prompt: '{"city": "Paris", "degrees": 21}' });
    assert.deepEqual(object, { city: 'Paris', degrees: 21 });
    const streamed = streamObject({ model, schema, prompt: '{"city": "Rome", "degrees": 30}' });
    for await (const _ of streamed.partialObjectStream);
    assert.deepEqual(await streamed.object, { city: 'Rome', degrees: 30 });
  });
  // It has no call for FIM.
  await t.test('prefix', async () => {
    const beta = createDeepSeek({ baseURL: `${server.url}/beta`, apiKey: key })('deepseek-chat');
    const messages = [
      { role: 'user', content: 'one two' },
      { role: 'assistant', content: 'one', providerOptions: { deepseek: { prefix: true } } },
    ];
    assert.equal((await generateText({ model: beta, messages })).text, ' two');
    assert.equal(await streamText({ model: beta, messages }).text, ' two');
  });
  await t.test('while it waits, whole and streamed', async () => {
    const waiting = await waitingServer(t);
    const patient = createDeepSeek({ baseURL: waiting.url, apiKey: 'none' })('deepseek-chat');
    assert.equal((await generateText({ model: patient, prompt: '[[wait 300]]late' })).text, 'late');
    assert.equal(await streamText({ model: patient, prompt: '[[wait 300]]late' }).text, 'late');
  });
  await t.test('abort', async () => {
    const abort = new AbortController();
    const { textStream } = streamText({ model, prompt: `[[slow 20]]${'x'.repeat(500)}`, abortSignal: abort.signal, onError: () => {} });
    let parts = 0;
    for await (const _ of textStream) if (++parts === 3) abort.abort();
    assert.ok(parts < 50);
  });
});

// It has no call for FIM, and of an assistant's message it sends no `prefix`.
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
  await t.test('JSON, by its own JSON mode', async () => {
    const structured = model.withStructuredOutput(z.object({ city: z.string() }), { method: 'jsonMode' });
    assert.deepEqual(await structured.invoke([new SystemMessage('Answer in JSON.'), new HumanMessage('{"city": "Paris"}')]), { city: 'Paris' });
  });
  await t.test('logprobs', async () => {
    const telling = new ChatDeepSeek({ model: 'deepseek-chat', apiKey: key, maxRetries: 0, logprobs: true, topLogprobs: 2, configuration: { baseURL: server.url } });
    const answer = await telling.invoke('ab');
    const { content } = answer.response_metadata.logprobs;
    assert.deepEqual(content.map((c) => c.token), ['a', 'b']);
    assert.equal(content[0].top_logprobs.length, 2);
  });
  await t.test('while it waits, whole and streamed', async () => {
    const waiting = await waitingServer(t);
    const patient = new ChatDeepSeek({ model: 'deepseek-chat', apiKey: 'none', maxRetries: 0, configuration: { baseURL: waiting.url } });
    assert.equal((await patient.invoke('[[wait 300]]late')).content, 'late');
    let text = '';
    for await (const chunk of await patient.stream('[[wait 300]]late')) text += chunk.content;
    assert.equal(text, 'late');
  });
  await t.test('abort', async () => {
    const abort = new AbortController();
    let chunks = 0;
    await assert.rejects(async () => {
      const stream = await model.stream(`[[slow 20]]${'x'.repeat(500)}`, { signal: abort.signal });
      for await (const _ of stream) if (++chunks === 3) abort.abort();
    });
    assert.ok(chunks < 50);
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

  const ask = async (path, request) => JSON.parse(await curl(`${server.url}${path}`, ...headers, '-d', JSON.stringify({ model: 'deepseek-chat', ...request })));
  const json = await ask('/chat/completions', { messages: user('{"json": true}'), response_format: { type: 'json_object' } });
  assert.deepEqual(JSON.parse(json.choices[0].message.content), { json: true });
  const fim = await ask('/beta/completions', { prompt: 'a', suffix: 'b', logprobs: 1 });
  assert.equal(fim.choices[0].text, '<a|b>');
  assert.deepEqual(fim.choices[0].logprobs.tokens, ['<', 'a', '|', 'b', '>']);
  const prefix = await ask('/beta/chat/completions', { messages: [...user('one two'), { role: 'assistant', content: 'one', prefix: true }] });
  assert.equal(prefix.choices[0].message.content, ' two');
  const telling = await ask('/chat/completions', { messages: user('ab'), logprobs: true, top_logprobs: 1 });
  assert.deepEqual(telling.choices[0].logprobs.content.map((c) => c.token), ['a', 'b']);
  const called = await ask('/chat/completions', { messages: user(paris), tools: [weather] });
  assert.deepEqual(JSON.parse(called.choices[0].message.tool_calls[0].function.arguments), { city: 'Paris' });
  const gone = await promisify(execFile)('curl', ['-s', '-m', '0.3', `${server.url}/chat/completions`, ...headers, '-d', JSON.stringify({ model: 'deepseek-chat', messages: user('[[hang]]') })]).catch((e) => e.code);
  assert.equal(gone, 28);
});
