// kill -9 in the middle of streams: no request is lost, none is charged twice, and the balance is
// what the usage says.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { account, chat, customer, post, run, say, scratch, startScripted } from '../harness/server.mjs';

const nano = (text) => BigInt(text.replace('.', ''));
const kKills = process.env.FATHOM_LONG_TESTS ? 500 : 3;

test(`${kKills} kills in the middle of streams`, async (t) => {
  const ledger = join(scratch(t), 'ledger.db');
  const key = customer(ledger, 'ann', { granted: '0.5', paid: '1000' });
  const start = 1000.5e9;
  let begun = 0;
  for (let round = 0; round < kKills; ++round) {
    const server = await startScripted(t, {}, ledger);
    const killed = server.exited;
    const streams = [...Array(4).keys()].map(async (i) => {
      const body = say(`[[slow 1]]${String(i).repeat(200 + 300 * i)}`, { stream: true });
      const response = await post(server, '/chat/completions', body, { key });
      if (response.status !== 200) return;
      ++begun;
      for await (const _ of response.body);
    });
    const done = Promise.allSettled(streams);
    setTimeout(() => server.child.kill('SIGKILL'), 100 + Math.random() * 700);
    await Promise.all([done, killed]);
  }
  const server = await startScripted(t, {}, ledger);
  for (let i = 0; i < 200 && Number(account(ledger, 'ann').held) > 0; ++i) await new Promise((r) => setTimeout(r, 50));
  const { held, total_balance, granted_balance } = account(ledger, 'ann');
  assert.equal(Number(held), 0);
  const lines = JSON.parse(run('account', 'usage', 'ann', '--json', '--ledger', ledger));
  const requests = lines.reduce((sum, line) => sum + line.requests, 0);
  assert.ok(requests >= begun && requests <= 4 * kKills, `${requests} of ${begun}`);
  const charged = lines.reduce((sum, line) => sum + nano(line.cost), 0n);
  assert.equal(nano(total_balance), BigInt(start) - charged);
  assert.ok(nano(granted_balance) >= 0n);
  await server.stop();
});

test('a request that a kill cut off is charged for what the cache had of its prompt', async (t) => {
  const ledger = join(scratch(t), 'ledger.db');
  const key = customer(ledger, 'ann', { paid: '1' });
  const question = 'q'.repeat(300);
  const server = await startScripted(t, {}, ledger);
  await chat(server, question, {}, { key });
  const paid = 1_000_000_000n - nano(account(ledger, 'ann').total_balance);
  const body = say(question, { stream: true, messages: [{ role: 'user', content: question }, { role: 'assistant', content: 'q' }, { role: 'user', content: `[[slow 30]]${'x'.repeat(900)}` }] });
  const response = await post(server, '/chat/completions', body, { key });
  const reader = response.body.getReader();
  await reader.read(); // one token is enough: by then the ledger knows
  await server.stop('SIGKILL');
  const next = await startScripted(t, {}, ledger);
  for (let i = 0; i < 200 && Number(account(ledger, 'ann').held) > 0; ++i) await new Promise((r) => setTimeout(r, 50));
  const [line] = JSON.parse(run('account', 'usage', 'ann', '--json', '--ledger', ledger));
  assert.equal(line.requests, 2);
  assert.equal(line.prompt_cache_hit_tokens, 256, JSON.stringify(line)); // of the first's prompt, in the second
  const lost = nano(line.cost) - paid;
  const first = 303n;
  const misses = BigInt(line.prompt_cache_miss_tokens) - first;
  const output = BigInt(line.completion_tokens) - 301n;
  assert.equal(lost, 256n * 500n + misses * 2000n + output * 8000n);
  assert.equal(nano(account(ledger, 'ann').total_balance), 1_000_000_000n - nano(line.cost));
  await next.stop();
});
