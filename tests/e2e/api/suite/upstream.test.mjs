// The API before another server: what each of them answers in its own way comes out as one API, and
// what it costs is charged to the unit. The shapes are those that each project's own definitions of
// its answers have.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callText, weather } from '../harness/calls.mjs';
import { account, chat, customer, events, post, say } from '../harness/server.mjs';
import { head, owners, saying, startBefore, startUpstream, stream } from '../harness/upstream.mjs';

const text = (chunks) => chunks.map((c) => c.choices[0]?.delta.content ?? '').join('');
const usage = (prompt_tokens, completion_tokens, more = {}) => ({ prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens, ...more });
const cached = (cached_tokens) => ({ prompt_tokens_details: { cached_tokens } });

// What each says to "hello": prompt 100 tokens, 64 of them cached where it tells, answer 3 tokens.
const shapes = {
  openai: saying(['Hel', 'lo'], { usage: { ...usage(100, 3, cached(64)), completion_tokens_details: { reasoning_tokens: 0 } } })
    .map((c) => ({ ...c, service_tier: 'default', obfuscation: 'x7', usage: c.usage ?? null })),
  deepseek: [': keep-alive\n\n', ...saying(['Hel', 'lo']).slice(0, -1),
    { ...head, choices: [{ index: 0, delta: { content: '' }, logprobs: null, finish_reason: 'stop' }], usage: usage(100, 3, { prompt_cache_hit_tokens: 64, prompt_cache_miss_tokens: 36 }) }],
  vllm: [
    { ...head, choices: [{ index: 0, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null }], usage: usage(100, 0), prompt_token_ids: null },
    { ...head, choices: [{ index: 0, delta: { content: 'Hel' }, logprobs: null, finish_reason: null, token_ids: null }], usage: usage(100, 1) },
    { ...head, choices: [{ index: 0, delta: { content: 'lo' }, logprobs: null, finish_reason: 'stop', stop_reason: null, token_ids: null }], usage: usage(100, 3) },
    { ...head, choices: [], usage: usage(100, 3, cached(64)) },
  ],
  sglang: [
    { ...head, choices: [{ index: 0, delta: { role: 'assistant', content: '', reasoning_content: null, tool_calls: null }, logprobs: null, finish_reason: null, matched_stop: null }], usage: null },
    { ...head, choices: [{ index: 0, delta: { role: null, content: 'Hello', reasoning_content: null, tool_calls: null }, logprobs: null, finish_reason: null, matched_stop: null }], usage: { ...usage(100, 2), prompt_tokens_details: null, reasoning_tokens: 0 } },
    { ...head, choices: [{ index: 0, delta: { role: null, content: null, reasoning_content: null, tool_calls: null }, logprobs: null, finish_reason: 'stop', matched_stop: 1 }], usage: null },
    { ...head, choices: [], usage: { ...usage(100, 3, cached(64)), reasoning_tokens: 0 } },
  ],
  lmdeploy: [
    { ...head, choices: [{ index: 0, delta: { role: 'assistant', content: 'Hel', reasoning_content: null, gen_tokens: null, tool_calls: [] }, logprobs: null, finish_reason: null }], usage: null },
    { ...head, choices: [{ index: 0, delta: { role: 'assistant', content: 'lo', reasoning_content: null, gen_tokens: null, tool_calls: [] }, logprobs: null, finish_reason: 'stop' }], usage: usage(100, 3) },
  ],
  'tensorrt-llm': [
    { ...head, choices: [{ index: 0, delta: { role: 'assistant', content: 'Hel', reasoning_content: null, tool_calls: [] }, logprobs: null, finish_reason: null, stop_reason: null, disaggregated_params: null, avg_decoded_tokens_per_iter: 1 }], usage: usage(100, 1, cached(64)) },
    { ...head, choices: [{ index: 0, delta: { content: 'lo' }, logprobs: null, finish_reason: 'stop', stop_reason: null, disaggregated_params: null, avg_decoded_tokens_per_iter: 1 }], usage: usage(100, 3, cached(64)) },
    { ...head, choices: [], usage: usage(100, 3, cached(64)) },
  ],
  mindie: [
    { id: 'endpoint_common_8', object: 'chat.completion.chunk', created: 1, model: 'their-model', choices: [{ index: 0, delta: { role: 'assistant', content: 'Hel' }, finish_reason: null }] },
    { id: 'endpoint_common_8', object: 'chat.completion.chunk', created: 1, model: 'their-model', full_text: 'Hello', usage: { ...usage(100, 3), prefill_time: 200, decode_time_arr: [56, 28], batch_size: [1, 1], queue_wait_time: [5, 5] }, choices: [{ index: 0, delta: { role: 'assistant', content: 'lo' }, finish_reason: 'stop' }] },
  ],
};

// TensorRT-LLM refuses what it does not know.
const kTheirs = new Set(['model', 'messages', 'max_tokens', 'stream', 'stream_options', 'temperature', 'top_p', 'frequency_penalty', 'presence_penalty', 'stop', 'n', 'seed', 'response_format', 'tools', 'tool_choice', 'logprobs', 'top_logprobs', 'logit_bias']);

for (const kind of Object.keys(owners)) {
  test(`${kind}: text, usage and price`, async (t) => {
    const upstream = await startUpstream(t, kind, (_, response) => stream(response, shapes[kind]));
    const server = await startBefore(t, upstream);
    const key = customer(server.ledger, 'ann', { paid: '1' });
    const hit = ['lmdeploy', 'mindie'].includes(kind) ? 0 : 64;
    const whole = await chat(server, 'hello', {}, { key });
    assert.equal(whole.status, 200, JSON.stringify(whole.body));
    assert.equal(whole.body.model, 'deepseek-chat');
    assert.deepEqual(whole.body.choices, [{ index: 0, message: { role: 'assistant', content: 'Hello' }, logprobs: null, finish_reason: 'stop' }]);
    assert.deepEqual(whole.body.usage, { prompt_tokens: 100, completion_tokens: 3, total_tokens: 103, prompt_tokens_details: { cached_tokens: hit }, prompt_cache_hit_tokens: hit, prompt_cache_miss_tokens: 100 - hit });
    const response = await post(server, '/chat/completions', say('hello', { stream: true, stream_options: { include_usage: true }, temperature: 0.5 }), { key });
    const { chunks, data } = await events(response);
    assert.equal(text(chunks), 'Hello');
    assert.equal(chunks.at(-2).choices[0].finish_reason, 'stop');
    assert.equal(chunks.at(-1).usage.prompt_cache_hit_tokens, hit);
    assert.equal(data.at(-1), '[DONE]');
    const charged = 1_000_000_000 - Math.round(Number(account(server.ledger, 'ann').total_balance) * 1e9);
    assert.equal(charged, 2 * (500 * hit + 2000 * (100 - hit) + 8000 * 3));

    const [first, second] = upstream.asked;
    assert.equal(first.model, 'their-model');
    assert.deepEqual(first.messages, [{ role: 'user', content: 'hello' }]);
    assert.deepEqual([first.temperature, second.temperature, first.top_p, first.max_tokens, first.stream], [1, 0.5, 1, 4096, true]);
    const running = ['vllm', 'sglang', 'tensorrt-llm'].includes(kind);
    assert.deepEqual(first.stream_options, { include_usage: true, ...(running ? { continuous_usage_stats: true } : {}) });
    assert.equal(first.top_k, { vllm: -1, sglang: -1, lmdeploy: 0 }[kind]);
    if (kind === 'tensorrt-llm') assert.deepEqual(Object.keys(first).filter((name) => !kTheirs.has(name)), []);
    assert.equal(upstream.headers[0]['x-request-id'], whole.body.id);
    const info = await (await fetch(`${server.url}/fathom/info`)).json();
    assert.equal(info.name, `their-model (${kind})`);
    assert.equal(info.context_length, 32768);
  });
}

test('what is asked for is passed on', async (t) => {
  let answer = saying(['x'], { usage: usage(5, 2) });
  const upstream = await startUpstream(t, 'vllm', (_, response) => stream(response, answer));
  const server = await startBefore(t, upstream);
  const ask = async (more) => {
    const got = await chat(server, 'JSON', more);
    assert.equal(got.status, 200, JSON.stringify(got.body));
    return { sent: upstream.asked.at(-1), choice: got.body.choices[0], usage: got.body.usage };
  };

  await t.test('sampling', async () => {
    const more = { top_p: 0.9, frequency_penalty: 1, presence_penalty: -1, max_tokens: 7, stop: ['a', 'b'], seed: 5, top_k: 3, min_p: 0.1, logit_bias: { 9: -100 } };
    const { sent } = await ask({ ...more, guided_regex: '.*', lora_path: '/etc', priority: -9 });
    for (const [name, value] of Object.entries(more)) {
      if (typeof value === 'number') assert.ok(Math.abs(sent[name] - value) < 1e-6, name);
      else assert.deepEqual(sent[name], value);
    }
    for (const name of ['guided_regex', 'lora_path', 'priority']) assert.ok(!(name in sent), name);
  });
  await t.test('JSON mode and schemas', async () => {
    assert.deepEqual((await ask({ response_format: { type: 'json_object' } })).sent.response_format, { type: 'json_object' });
    const schema = { type: 'object', properties: { a: { type: 'integer' } } };
    const { sent } = await ask({ response_format: { type: 'json_schema', json_schema: { name: 's', schema } } });
    assert.deepEqual(sent.response_format, { type: 'json_schema', json_schema: { name: 'answer', schema } });
  });
  await t.test('logprobs, half characters as bytes', async () => {
    const token = (name, bytes, logprob) => ({ token: name, logprob, bytes, top_logprobs: [{ token: name, logprob, bytes }] });
    answer = saying(['é'], { usage: usage(5, 3) });
    answer[1].choices[0].logprobs = { content: [token('\ufffd', [0xc3], -0.5), token('\ufffd', [0xa9], null)] };
    const { sent, choice } = await ask({ logprobs: true, top_logprobs: 1 });
    assert.deepEqual([sent.logprobs, sent.top_logprobs], [true, 1]);
    assert.deepEqual(choice.logprobs.content.map((c) => c.bytes), [[0xc3], [0xa9]]);
    assert.deepEqual(choice.logprobs.content.map((c) => c.logprob), [-0.5, -9999]);
    assert.equal(choice.logprobs.content[0].top_logprobs.length, 1);
  });
  await t.test('reasoning under both of its names, charged as output', async () => {
    for (const name of ['reasoning_content', 'reasoning']) {
      answer = saying(['so'], { usage: usage(5, 4) });
      answer.splice(1, 0, { ...head, choices: [{ index: 0, delta: { [name]: 'hm, ' }, finish_reason: null }] });
      const { choice, usage: used } = await ask({});
      assert.deepEqual(choice.message, { role: 'assistant', content: 'so', reasoning_content: 'hm, ' });
      assert.equal(used.completion_tokens, 4);
      const { chunks } = await events(await post(server, '/chat/completions', say('x', { stream: true })));
      assert.equal(chunks.map((c) => c.choices[0].delta.reasoning_content ?? '').join(''), 'hm, ');
    }
  });
  await t.test('n choices, whose usage vLLM counts one by one', async () => {
    const part = (index, content, completion, finish_reason = null) => ({ ...head, choices: [{ index, delta: { content }, finish_reason }], usage: usage(5, completion) });
    answer = [part(0, 'a', 1), part(1, 'b', 1), part(0, 'A', 2, 'stop'), part(1, 'B', 2, 'length'), { ...head, choices: [], usage: usage(5, 4) }];
    const got = await chat(server, 'x', { n: 2 });
    assert.deepEqual(got.body.choices.map((c) => [c.message.content, c.finish_reason]), [['aA', 'stop'], ['bB', 'length']]);
    assert.equal(got.body.usage.completion_tokens, 4);
    assert.equal(upstream.asked.at(-1).n, 2);
  });
  await t.test('finish reasons in the words of the API', async () => {
    for (const [theirs, ours] of [['stop', 'stop'], ['length', 'length'], ['content_filter', 'content_filter'], ['eos_token', 'stop'], ['abort', 'insufficient_system_resource'], ['error', 'insufficient_system_resource'], ['tool_calls', 'stop']]) {
      answer = saying(['x'], { finish: theirs, usage: usage(5, 2) });
      assert.equal((await ask({})).choice.finish_reason, ours, theirs);
    }
  });
  await t.test('usage that is missing, null or only a total', async () => {
    answer = saying(['a', 'b', 'c']);
    assert.equal((await ask({})).usage.completion_tokens, 3);
    answer = saying(['a', 'b', 'c']).map((c) => ({ ...c, usage: null }));
    assert.equal((await ask({})).usage.completion_tokens, 3);
    answer = saying(['a'], { usage: { prompt_tokens: 5, total_tokens: 9, completion_tokens: null } });
    assert.equal((await ask({})).usage.completion_tokens, 4);
    answer = saying(['a'], { usage: { prompt_tokens: 5, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 99 } } });
    assert.equal((await ask({})).usage.prompt_cache_hit_tokens, 5); // never more than there is
  });
});

test('a whole answer, though a stream was asked for', async (t) => {
  const upstream = await startUpstream(t, 'openai', (_, response) => {
    response.setHeader('Content-Type', 'application/json');
    response.end(`\n\n${JSON.stringify({ id: 'x', object: 'chat.completion', created: 1, model: 'm', choices: [{ index: 0, message: { role: 'assistant', content: 'Hello', refusal: null, annotations: [] }, logprobs: null, finish_reason: 'stop' }], usage: usage(100, 3, cached(64)) })}`);
  });
  const server = await startBefore(t, upstream);
  const { body } = await chat(server, 'x');
  assert.equal(body.choices[0].message.content, 'Hello');
  assert.equal(body.usage.prompt_cache_hit_tokens, 64);
  const { chunks } = await events(await post(server, '/chat/completions', say('x', { stream: true })));
  assert.equal(text(chunks), 'Hello');
});

test('function calls', async (t) => {
  const delta = (tool_calls, finish_reason = null) => ({ ...head, choices: [{ index: 0, delta: { tool_calls }, finish_reason }] });
  const end = (reason) => ({ ...head, choices: [{ index: 0, delta: {}, finish_reason: reason }], usage: usage(9, 9) });
  const args = '{"city": "Paris"}';
  let answer;
  const upstream = await startUpstream(t, 'vllm', (_, response) => stream(response, answer));
  const server = await startBefore(t, upstream);
  const tools = [weather];
  const call = async (more = {}) => (await chat(server, 'x', { tools, ...more })).body.choices[0];
  const expect = (choice, calls) => {
    assert.equal(choice.finish_reason, 'tool_calls');
    assert.deepEqual(choice.message.tool_calls.map((c) => [c.function.name, c.function.arguments]), calls);
  };

  await t.test('in parts, as vLLM and SGLang stream them', async () => {
    const parts = [...args].map((c) => delta([{ index: 0, function: { arguments: c } }]));
    answer = [delta([{ id: 'call_1', type: 'function', index: 0, function: { name: 'get_weather', arguments: '' } }]), ...parts, end('tool_calls')];
    expect(await call(), [['get_weather', args]]);
    assert.deepEqual(upstream.asked.at(-1).tools, tools);
    assert.equal(upstream.asked.at(-1).tool_choice, 'auto');
    const { chunks } = await events(await post(server, '/chat/completions', say('x', { tools, stream: true })));
    const deltas = chunks.flatMap((c) => c.choices[0].delta.tool_calls ?? []);
    assert.equal(deltas.map((d) => d.function.arguments).join(''), args);
    assert.equal(deltas[0].function.name, 'get_weather');
  });
  await t.test('by name, where vLLM says "stop"', async () => {
    answer = [delta([{ index: 0, id: 'x', function: { name: 'get_weather', arguments: args } }]), end('stop')];
    const tool_choice = { type: 'function', function: { name: 'get_weather' } };
    expect(await call({ tool_choice }), [['get_weather', args]]);
    assert.deepEqual(upstream.asked.at(-1).tool_choice, tool_choice);
  });
  await t.test('the name in every part, indices from 1, no index, arguments as an object or null', async () => {
    answer = [delta([{ index: 1, function: { name: 'get_weather', arguments: '{"city": ' } }]), delta([{ index: 1, function: { name: 'get_weather', arguments: '"Paris"}' } }]), end('tool_calls')];
    expect(await call(), [['get_weather', args]]);
    answer = [delta([{ function: { name: 'get_weather', arguments: args } }]), delta([{ function: { name: 'get_weather', arguments: { city: 'Rome' } } }]), delta([{ function: { name: 'get_weather', arguments: null } }]), end('tool_calls')];
    expect(await call(), [['get_weather', args], ['get_weather', '{"city":"Rome"}'], ['get_weather', '']]);
  });
  await t.test('in the text, where the server does not parse them', async () => {
    answer = saying([...callText(['get_weather', args])], { usage: usage(9, 9) });
    expect(await call(), [['get_weather', args]]);
    assert.equal((await call({ tool_choice: 'none' })).finish_reason, 'stop');
  });
  await t.test('and back', async () => {
    answer = saying(['sunny'], { usage: usage(9, 2) });
    const messages = [
      { role: 'user', content: 'x' },
      { role: 'assistant', content: null, tool_calls: [{ id: 'call_7', type: 'function', function: { name: 'get_weather', arguments: args } }] },
      { role: 'tool', tool_call_id: 'call_7', content: 'sunny' },
    ];
    assert.equal((await call({ messages })).message.content, 'sunny');
    assert.deepEqual(upstream.asked.at(-1).messages, [messages[0], { ...messages[1], content: '' }, { ...messages[2] }]);
  });
});

test('FIM and prefix completion, each as the server takes them', async (t) => {
  const part = (more, finish_reason = null) => ({ id: 'cmpl-1', object: 'text_completion', created: 1, model: 'm', choices: [{ index: 0, text: '', logprobs: null, finish_reason, ...more }] });
  const logprobs = { text_offset: [0, 1], token_logprobs: [-0.25, null], tokens: ['x', 'y'], top_logprobs: [{ x: -0.25 }, null] };
  const fim = [part({ text: 'xy', logprobs }), part({}, 'stop'), { ...part({}), choices: [], usage: usage(7, 3) }];
  const prefix = { model: 'deepseek-chat', messages: [{ role: 'user', content: 'q' }, { role: 'assistant', content: 'one', prefix: true }] };
  for (const kind of Object.keys(owners)) {
    const upstream = await startUpstream(t, kind, (body, response) => stream(response, body.messages ? saying([' two'], { usage: usage(9, 2) }) : fim));
    const server = await startBefore(t, upstream);
    const got = await (await post(server, '/beta/completions', { model: 'deepseek-chat', prompt: 'a', suffix: 'b', logprobs: 1, echo: true })).json();
    assert.equal(got.choices[0].text, 'axy', kind);
    assert.deepEqual(got.choices[0].logprobs, { text_offset: [1, 2], token_logprobs: [-0.25, -9999], tokens: ['x', 'y'], top_logprobs: [{ x: -0.25 }, {}] });
    const sent = upstream.asked[0];
    assert.equal(upstream.paths[0], kind === 'deepseek' ? '/beta/completions' : '/v1/completions');
    if (['openai', 'deepseek'].includes(kind)) assert.deepEqual([sent.prompt, sent.suffix], ['a', 'b']);
    else assert.deepEqual([sent.prompt, sent.suffix], ['<｜fim▁begin｜>a<｜fim▁hole｜>b<｜fim▁end｜>', undefined]);
    assert.ok(!('echo' in sent));

    const response = await post(server, '/beta/chat/completions', prefix);
    const body = await response.json();
    if (['openai', 'tensorrt-llm', 'mindie'].includes(kind)) {
      assert.equal(response.status, 400);
      assert.match(body.error.message, new RegExp(`prefix completion is not available.*${kind}`));
      continue;
    }
    assert.equal(body.choices[0].message.content, ' two', kind);
    const { messages, continue_final_message, add_generation_prompt } = upstream.asked[1];
    assert.equal(upstream.paths[1], kind === 'deepseek' ? '/beta/chat/completions' : '/v1/chat/completions');
    assert.equal(messages[1].prefix, kind === 'deepseek' ? true : undefined);
    const final = ['vllm', 'sglang'].includes(kind);
    assert.deepEqual([continue_final_message, add_generation_prompt], final ? [true, false] : [undefined, undefined]);
  }
});

test('before another fathom', async (t) => {
  const { startScripted } = await import('../harness/server.mjs');
  const echo = await startScripted(t);
  const server = await startBefore(t, echo);
  const question = 'q'.repeat(200);
  await chat(server, question);
  const { body } = await chat(server, question);
  assert.equal(body.choices[0].message.content, question);
  assert.equal(body.usage.prompt_cache_hit_tokens, 192);
  const fim = await (await post(server, '/beta/completions', { model: 'deepseek-chat', prompt: 'a', suffix: 'b' })).json();
  assert.equal(fim.choices[0].text, '<a|b>');
  const messages = [{ role: 'user', content: 'one two' }, { role: 'assistant', content: 'one', prefix: true }];
  const prefix = await (await post(server, '/beta/chat/completions', { model: 'deepseek-chat', messages })).json();
  assert.equal(prefix.choices[0].message.content, ' two');
});
