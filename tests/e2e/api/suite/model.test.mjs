// The API before a real model, the small one that comes with the program: what only a model that
// computes can show.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { account, chat, customer, fathom, post, run, scratch, start } from '../harness/server.mjs';

/** The published model's configuration. */
const published = fileURLToPath(new URL('../../../../bench/configs/deepseek-v3-671b.json', import.meta.url));

async function startModel(t, ...flags) {
  const ledger = join(scratch(t), 'ledger.db');
  const server = await start(t, fathom, ['serve', '--port', '0', '--ledger', ledger, '--threads', '1', ...flags]);
  server.ledger = ledger;
  return server;
}

test('a restart keeps the context cache: the same prompt hits, at the price of hits', async (t) => {
  const folder = scratch(t);
  const ledger = join(folder, 'ledger.db');
  const key = customer(ledger, 'ann', { paid: '1' });
  const flags = ['serve', '--port', '0', '--ledger', ledger, '--threads', '1', '--cache-dir', join(folder, 'cache')];
  const question = 'Tell me of the river that rises in the mountains. '.repeat(20);
  const balance = () => Math.round(Number(account(ledger, 'ann').total_balance) * 1e9);
  const seen = [];
  for (const end of ['SIGTERM', 'SIGTERM', 'SIGKILL']) {
    const server = await start(t, fathom, flags);
    const before = balance();
    const { status, body } = await chat(server, question, { max_tokens: 4, temperature: 0 }, { key });
    assert.equal(status, 200, JSON.stringify(body));
    const { usage } = body;
    const cost = 500 * usage.prompt_cache_hit_tokens + 2000 * usage.prompt_cache_miss_tokens + 8000 * usage.completion_tokens;
    assert.equal(before - balance(), cost);
    seen.push({ hit: usage.prompt_cache_hit_tokens, prompt: usage.prompt_tokens, text: body.choices[0].message.content });
    await server.stop(end);
  }
  assert.equal(seen[0].hit, 0);
  assert.ok(seen[0].prompt > 150, String(seen[0].prompt));
  const whole = Math.floor((seen[0].prompt - 1) / 64) * 64;
  assert.deepEqual(seen.slice(1).map((s) => s.hit), [whole, whole]);
  assert.equal(new Set(seen.map((s) => s.text)).size, 1);
});

test('complaints about like servers', async (t) => {
  const server = await startModel(t, '--no-disk-cache', '--max-running', '8');
  const json = { response_format: { type: 'json_object' } };

  await t.test('JSON mode returns empty content', async () => {
    const answers = await Promise.all([...Array(6).keys()].map((seed) => chat(server, 'Say anything in json.', { ...json, seed, max_tokens: 60 })));
    for (const { status, body } of answers) {
      assert.equal(status, 200, JSON.stringify(body));
      const [{ message, finish_reason }] = body.choices;
      assert.match(message.content, /^\s*\{/);
      if (finish_reason === 'stop') JSON.parse(message.content);
      else assert.equal(finish_reason, 'length');
    }
  });
  await t.test('grammar and speculation together crash', async () => {
    const schema = { type: 'object', properties: { name: { type: 'string', maxLength: 12 }, age: { type: 'integer', maximum: 99, minimum: 0 } }, required: ['name', 'age'], additionalProperties: false };
    const response_format = { type: 'json_schema', json_schema: { name: 's', schema } };
    const one = (seed, speculation) => chat(server, 'A person.', { response_format, seed, speculation, max_tokens: 120, temperature: 0.8 });
    for (const seed of [1, 2, 3]) {
      const [with_, without] = await Promise.all([one(seed, true), one(seed, false)]);
      assert.equal(with_.status, 200, JSON.stringify(with_.body));
      assert.equal(with_.body.choices[0].message.content, without.body.choices[0].message.content);
      const { name, age } = JSON.parse(with_.body.choices[0].message.content);
      assert.ok(typeof name === 'string' && Number.isInteger(age));
    }
  });
  await t.test('different output at temperature 0 from run to run, hangs under concurrency', async () => {
    const one = async (i) => (await chat(server, `Count to ${i % 4}.`, { temperature: 0, max_tokens: 24 })).body.choices[0].message.content;
    const alone = [];
    for (let i = 0; i < 4; ++i) alone.push(await one(i));
    const together = await Promise.all([...Array(40).keys()].map(one));
    together.forEach((text, i) => assert.equal(text, alone[i % 4], `request ${i}`));
  });
  await t.test('out of memory with no word on what was needed', async () => {
    const small = await startModel(t, '--no-disk-cache', '--kv-memory', '0.0005');
    const { status, body } = await chat(small, 'x '.repeat(600), { max_tokens: 500 });
    assert.equal(status, 503, JSON.stringify(body));
    assert.match(body.error.message, /needs? .*\d/);
  });
});

test('loading takes an hour: 40 GB of the published shapes are served before they were read', async (t) => {
  const dir = join(scratch(t), 'large');
  run('synth', published, dir, '--layers', '6', '--sparse');
  const server = await start(t, fathom, ['serve', dir, '--mapped', '--allow-paging', '--no-disk-cache', '--port', '0', '--ledger', join(scratch(t), 'ledger.db')]);
  assert.equal((await fetch(`${server.url}/ready`)).status, 200);
  const status = readFileSync(`/proc/${server.child.pid}/status`, 'utf8');
  const peak = Number(/VmHWM:\s*(\d+) kB/.exec(status)[1]) / 1e6;
  assert.ok(peak < 4, `${peak} GB of memory were touched`);
});

test('/tokenize and fathom tokenize agree', async (t) => {
  const server = await startModel(t, '--no-disk-cache');
  const text = 'Grüße, 世界: the river rises in the mountains.';
  const { tokens } = await (await post(server, '/tokenize', { text })).json();
  assert.deepEqual(tokens, execFileSync(fathom, ['tokenize'], { input: text, encoding: 'utf8' }).trim().split(/\s+/).map(Number));
});
