// Function calls, and what users of like servers complained of.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callText, weather } from '../harness/calls.mjs';
import { chat, events, post, say, startScripted } from '../harness/server.mjs';

test('function calls', async (t) => {
  const server = await startScripted(t);
  const paris = callText(['get_weather', '{"city": "Paris"}']);
  const tools = [weather];
  const refused = async (more, status, message) => {
    const { status: got, body } = await chat(server, 'x', more);
    assert.equal(got, status, JSON.stringify(body));
    assert.match(body.error.message, message);
  };

  await t.test('tools: a call, whole', async () => {
    const { body } = await chat(server, `Let me see. ${paris}`, { tools });
    const [choice] = body.choices;
    assert.equal(choice.finish_reason, 'tool_calls');
    assert.equal(choice.message.content, 'Let me see. ');
    assert.equal(choice.message.tool_calls.length, 1);
    const [call] = choice.message.tool_calls;
    assert.match(call.id, /^call_0_/);
    assert.equal(call.type, 'function');
    assert.deepEqual(call.function, { name: 'get_weather', arguments: '{"city": "Paris"}' });
  });

  await t.test('streamed arguments are whole, never {}', async () => {
    const two = callText(['get_weather', '{"city": "Paris"}'], ['get_weather', '{"city": "Rome"}']);
    const { chunks } = await events(await post(server, '/chat/completions', say(two, { tools, stream: true })));
    const calls = [];
    for (const delta of chunks.flatMap((c) => c.choices[0].delta.tool_calls ?? [])) {
      calls[delta.index] ??= { id: delta.id, name: delta.function.name, arguments: '' };
      calls[delta.index].arguments += delta.function.arguments;
    }
    assert.deepEqual(calls.map((c) => [c.name, JSON.parse(c.arguments)]), [
      ['get_weather', { city: 'Paris' }],
      ['get_weather', { city: 'Rome' }],
    ]);
    assert.notEqual(calls[0].id, calls[1].id);
    assert.equal(chunks.at(-1).choices[0].finish_reason, 'tool_calls');
  });

  await t.test('finish_reason says tool_calls only where there are some', async () => {
    const { body } = await chat(server, 'no call', { tools });
    assert.equal(body.choices[0].finish_reason, 'stop');
    assert.ok(!('tool_calls' in body.choices[0].message));
    const cut = await chat(server, paris, { tools, max_tokens: 10 });
    assert.equal(cut.body.choices[0].finish_reason, 'length');
  });

  await t.test('a conversation with the call and its result goes on', async () => {
    const first = await chat(server, paris, { tools });
    const messages = [
      { role: 'user', content: paris },
      first.body.choices[0].message,
      { role: 'tool', tool_call_id: first.body.choices[0].message.tool_calls[0].id, content: 'sunny' },
    ];
    const { body } = await chat(server, '', { messages, tools });
    assert.equal(body.choices[0].message.content, 'sunny');
    // The call went back as the model had written it: all whole units of the conversation hit.
    const { usage } = body;
    const before = first.body.usage.prompt_tokens + first.body.usage.completion_tokens - 1;
    assert.ok(usage.prompt_cache_hit_tokens >= Math.floor((first.body.usage.prompt_tokens - 1) / 64) * 64);
    assert.ok(usage.prompt_tokens > before);
  });

  await t.test('tool_choice: none, auto, required, named', async () => {
    const none = await chat(server, paris, { tools, tool_choice: 'none' });
    assert.equal(none.body.choices[0].message.content, paris);
    assert.equal(none.body.choices[0].finish_reason, 'stop');
    for (const tool_choice of ['auto', 'required', { type: 'function', function: { name: 'get_weather' } }]) {
      const { body } = await chat(server, paris, { tools, tool_choice });
      assert.equal(body.choices[0].message.tool_calls[0].function.name, 'get_weather');
    }
    // The grammar lets nothing but a call pass.
    assert.equal((await chat(server, 'plain', { tools, tool_choice: 'required' })).status, 500);
    await refused({ tools, tool_choice: 'sometimes' }, 422, /tool_choice: unknown variant/);
    await refused({ tool_choice: 'required' }, 400, /`required` needs tools/);
    await refused({ tools, tool_choice: { type: 'function', function: { name: 'other' } } }, 400, /no function of this name/);
  });

  await t.test('arguments follow the schema', async () => {
    const wrong = callText(['get_weather', '{"town": "Paris"}']);
    assert.equal((await chat(server, wrong, { tools, tool_choice: 'required' })).status, 500);
    // A keyword beyond the grammar does not keep a tool from being used.
    const odd = structuredClone(weather);
    odd.function.parameters.not = {};
    assert.equal((await chat(server, wrong, { tools: [odd] })).body.choices[0].finish_reason, 'tool_calls');
    odd.function.strict = true;
    await refused({ tools: [odd] }, 400, /Invalid schema for tools\[0\]/);
  });

  await t.test('tools: up to 128 functions with proper names', async () => {
    const many = (count) => [...Array(count).keys()].map((i) => ({ type: 'function', function: { name: `f${i}` } }));
    assert.equal((await chat(server, 'x', { tools: many(128) })).status, 200);
    await refused({ tools: many(129) }, 400, /129 functions, expected at most 128/);
    await refused({ tools: [{ type: 'function', function: { name: 'a b' } }] }, 400, /tools\[0\]\.function\.name/);
    await refused({ tools: [{ type: 'function' }] }, 422, /tools\[0\]\.function: missing field/);
    await refused({ tools: [{ type: 'retrieval' }] }, 422, /tools\[0\]\.type: unknown variant/);
  });
});

test('prefix reuse: an answer sent back has the ids that were generated', async (t) => {
  const server = await startScripted(t);
  const question = 'q'.repeat(100), answer = question; // the script says what it is told
  const first = await chat(server, question);
  assert.equal(first.body.choices[0].message.content, answer);
  const messages = [
    { role: 'user', content: question },
    { role: 'assistant', content: answer },
    { role: 'user', content: 'and?' },
  ];
  const second = await chat(server, '', { messages });
  assert.equal(second.body.usage.prompt_cache_hit_tokens, 64); // of the first prompt's 103
});

test('the same text at temperature 0 from run to run', async (t) => {
  const server = await startScripted(t);
  const texts = await Promise.all(
    [...Array(20)].map(() => chat(server, 'same', { temperature: 0 }).then((r) => r.body.choices[0].message.content)),
  );
  assert.deepEqual(new Set(texts), new Set(['same']));
});
