// Errors, keys, money, waiting, stopping: what surrounds the answers.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { account, chat, customer, events, post, raw, run, say, scratch, startScripted } from '../harness/server.mjs';

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const get = (server, path, headers = {}) => fetch(server.url + path, { headers });

test('without a key: loopback only, and no key asked', async (t) => {
  const server = await startScripted(t);
  assert.deepEqual(await (await get(server, '/models')).json(), {
    object: 'list',
    data: [{ id: 'deepseek-chat', object: 'model', owned_by: 'deepseek' }],
  });
  assert.equal((await chat(server, 'x')).status, 200);
  assert.equal((await get(server, '/user/balance')).status, 200);
  // What a stranger's web page can have the browser send.
  assert.equal((await chat(server, 'x', {}, { headers: { Origin: 'https://evil.example' } })).status, 403);
  const rebound = await raw(server, 'GET /models HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n');
  assert.match(rebound, /^HTTP\/1\.1 403 /);
  await assert.rejects(startScripted(t, { '--host': '0.0.0.0' }), /no API key exists/);
  // Once a key is made, it is asked for.
  customer(server.ledger, 'ann');
  await sleep(1100);
  assert.equal((await get(server, '/models')).status, 401);
});

test('errors: 401, 402, 404, 405, 429, 500, 503', async (t) => {
  const server = await startScripted(t, { '--key-concurrency': 1 });
  const key = customer(server.ledger, 'ann', { paid: '1' });
  const body = async (response) => ({ status: response.status, error: (await response.json()).error });

  for (const headers of [{}, { Authorization: 'Bearer sk-wrong' }, { Authorization: key }]) {
    const got = await body(await get(server, '/models', headers));
    assert.deepEqual(got, { status: 401, error: { message: 'Authentication Fails (no such user)', type: 'authentication_error', param: null, code: 'invalid_request_error' } });
  }
  const poor = customer(server.ledger, 'poor');
  assert.deepEqual(await body(await post(server, '/chat/completions', say('x'), { key: poor })), {
    status: 402, error: { message: 'Insufficient Balance', type: 'unknown_error', param: null, code: 'invalid_request_error' },
  });
  run('keys', 'revoke', 'poor-key', '--ledger', server.ledger);
  assert.equal((await post(server, '/chat/completions', say('x'), { key: poor })).status, 401);

  assert.equal((await body(await get(server, '/nothing'))).status, 404);
  const wrong = await fetch(`${server.url}/chat/completions`, { method: 'DELETE' });
  assert.equal(wrong.headers.get('allow'), 'GET, HEAD, POST');
  assert.equal((await body(wrong)).status, 405);
  assert.equal((await body(await get(server, '/chat/completions'))).status, 405);

  const slow = post(server, '/chat/completions', say('[[wait 400]]x'), { key });
  await sleep(100);
  assert.equal((await body(await post(server, '/chat/completions', say('x'), { key }))).status, 429);
  assert.equal((await slow).status, 200);
  const full = await post(server, '/chat/completions', say('[[full]]x'), { key });
  assert.equal(full.headers.get('retry-after'), '5');
  assert.equal((await body(full)).status, 503);
  const failed = await body(await post(server, '/chat/completions', say('[[fail]]abcdef'), { key }));
  assert.deepEqual(failed, { status: 500, error: { message: 'Internal server error', type: 'server_error', param: null, code: 'server_error' } });
});

test('balance: two decimals, granted first, each request charged to the unit', async (t) => {
  // After the promotion: 2000 nano-yuan a missed token, 500 a hit, 8000 an output token.
  const server = await startScripted(t, { '--clock': Date.parse('2025-02-08T16:00:00Z') / 1000 });
  const key = customer(server.ledger, 'ann', { granted: '0.01', paid: '1.999999999' });
  const balance = async () => (await get(server, '/user/balance', { Authorization: `Bearer ${key}` })).json();
  assert.deepEqual(await balance(), {
    is_available: true,
    balance_infos: [{ currency: 'CNY', total_balance: '2.00', granted_balance: '0.01', topped_up_balance: '1.99' }],
  });
  const question = 'q'.repeat(300);
  const first = (await chat(server, question, {}, { key })).body.usage;
  const second = (await chat(server, question, {}, { key })).body.usage;
  assert.equal(first.prompt_cache_hit_tokens, 0);
  assert.equal(second.prompt_cache_hit_tokens, 256);
  const cost = (u) => 500n * BigInt(u.prompt_cache_hit_tokens) + 2000n * BigInt(u.prompt_cache_miss_tokens) + 8000n * BigInt(u.completion_tokens);
  const nano = (text) => BigInt(text.replace('.', ''));
  const after = account(server.ledger, 'ann');
  assert.equal(nano(after.total_balance), 2_009_999_999n - cost(first) - cost(second));
  assert.equal(nano(after.granted_balance), 10_000_000n - cost(first) - cost(second));
  assert.equal(nano(after.held), 0n);
  const [line] = JSON.parse(run('account', 'usage', 'ann', '--json', '--ledger', server.ledger));
  assert.equal(line.requests, 2);
  assert.equal(line.day, '2025-02-08');
});

test('prices: by date and currency, as the page shows them', async (t) => {
  const at = async (time) => {
    const server = await startScripted(t, { '--clock': Date.parse(time) / 1000 });
    customer(server.ledger, 'ann');
    await sleep(1100);
    return (await (await get(server, '/fathom/info')).json()).prices;
  };
  assert.deepEqual(await at('2025-02-08T15:59:59Z'), {
    CNY: { input_cache_hit: '0.1', input_cache_miss: '1', output: '2', until: '2025-02-08T16:00:00Z' },
    USD: { input_cache_hit: '0.014', input_cache_miss: '0.14', output: '0.28', until: '2025-02-08T16:00:00Z' },
  });
  assert.deepEqual(await at('2025-02-08T16:00:00Z'), {
    CNY: { input_cache_hit: '0.5', input_cache_miss: '2', output: '8', until: null },
    USD: { input_cache_hit: '0.07', input_cache_miss: '0.27', output: '1.1', until: null },
  });
});

test('a running stream stops at the balance', async (t) => {
  const server = await startScripted(t);
  // 100 tokens of prompt and about 300 of output.
  const key = customer(server.ledger, 'ann', { paid: '0.0026' });
  const response = await post(server, '/chat/completions', say('x'.repeat(1000), { stream: true, max_tokens: 2000 }), { key });
  const { chunks, data } = await events(response);
  const text = chunks.map((c) => c.choices[0]?.delta.content ?? '').join('');
  assert.equal(text.length, Math.floor((2_600_000 - 2000 * 1003) / 8000));
  assert.equal(chunks.at(-1).choices[0].finish_reason, 'insufficient_system_resource');
  assert.equal(data.at(-1), '[DONE]');
  const { total_balance, held } = account(server.ledger, 'ann');
  assert.ok(Number(total_balance) < 0.000008 && Number(total_balance) >= 0 && Number(held) === 0, total_balance);
});

test('fifty clients at once cannot overspend one small balance', async (t) => {
  const server = await startScripted(t);
  const key = customer(server.ledger, 'ann', { paid: '0.01' });
  const answers = await Promise.all([...Array(50)].map(() => chat(server, '[[slow 1]]' + 'x'.repeat(90), {}, { key })));
  const statuses = answers.map((a) => a.status);
  assert.ok(statuses.every((s) => s === 200 || s === 402), String(statuses));
  assert.ok(statuses.includes(402) && statuses.includes(200));
  const spent = answers.filter((a) => a.status === 200).reduce((sum, { body: { usage: u } }) => sum + 500 * u.prompt_cache_hit_tokens + 2000 * u.prompt_cache_miss_tokens + 8000 * u.completion_tokens, 0);
  assert.equal(Math.round(Number(account(server.ledger, 'ann').total_balance) * 1e9), 10_000_000 - spent);
});

test('while it waits, a stream gets comments and a plain answer empty lines', async (t) => {
  const server = await startScripted(t, { '--keep-alive-ms': 50 });
  const stream = await events(await post(server, '/chat/completions', say('[[wait 300]]x', { stream: true })));
  assert.ok(stream.comments.length >= 3);
  assert.ok(stream.comments.every((c) => c === ': keep-alive'));
  assert.equal(stream.chunks.map((c) => c.choices[0].delta.content).join(''), 'x');
  const plain = await (await post(server, '/chat/completions', say('[[wait 300]]x'))).text();
  assert.match(plain, /^\n{3,}\{/);
  assert.equal(JSON.parse(plain).choices[0].message.content, 'x');
});

test('an answer beyond the time limit is closed', async (t) => {
  const server = await startScripted(t, { '--time-limit': 1 });
  assert.equal((await chat(server, '[[hang]]')).status, 503);
  await assert.rejects(post(server, '/chat/completions', say(`[[slow 100]]${'x'.repeat(99)}`, { stream: true })).then((r) => r.text()));
});

test('a client that leaves is charged for what it got', async (t) => {
  const server = await startScripted(t);
  const key = customer(server.ledger, 'ann', { paid: '1' });
  const abort = new AbortController();
  const response = await post(server, '/chat/completions', say(`[[slow 20]]${'x'.repeat(900)}`, { stream: true }), { key, signal: abort.signal });
  const reader = response.body.getReader();
  await reader.read();
  abort.abort();
  for (let i = 0; i < 100 && Number(account(server.ledger, 'ann').held) > 0; ++i) await sleep(20);
  const [line] = JSON.parse(run('account', 'usage', 'ann', '--json', '--ledger', server.ledger));
  assert.equal(line.requests, 1);
  assert.ok(line.completion_tokens > 0 && line.completion_tokens < 300, JSON.stringify(line));
});

/** Lets a table of the ledger be missing until the function that it returns is called. */
function withoutTable(ledger, table) {
  const rename = (from, to) =>
    execFileSync('python3', ['-c', `import sqlite3, sys\nsqlite3.connect(sys.argv[1]).execute('ALTER TABLE ${from} RENAME TO ${to}')`, ledger]);
  rename(table, 'away');
  return () => rename('away', table);
}

async function settled(server, name) {
  for (let i = 0; i < 300 && Number(account(server.ledger, name).held) > 0; ++i) await sleep(50);
  const [line] = JSON.parse(run('account', 'usage', name, '--json', '--ledger', server.ledger));
  return { ...line, held: Number(account(server.ledger, name).held) };
}

test('a ledger that fails at the end of an answer: the client has it, and it is charged later', async (t) => {
  const server = await startScripted(t);
  const key = customer(server.ledger, 'ann', { paid: '1' });
  const answers = [true, false].map((stream) => post(server, '/chat/completions', say(`[[slow 20]]${'x'.repeat(30)}`, { stream }), { key }));
  await sleep(200);
  const restore = withoutTable(server.ledger, 'usage');
  const [streamed, plain] = await Promise.all(answers);
  assert.equal((await events(streamed)).data.at(-1), '[DONE]');
  const { usage } = await plain.json();
  restore();
  const line = await settled(server, 'ann');
  assert.deepEqual([line.requests, line.completion_tokens, line.held], [2, 2 * usage.completion_tokens, 0]);
});

test('a ledger that fails within an answer: an error in the stream, and what was given is charged', async (t) => {
  const server = await startScripted(t);
  const key = customer(server.ledger, 'ann', { paid: '1' });
  const response = await post(server, '/chat/completions', say(`[[slow 10]]${'x'.repeat(500)}`, { stream: true }), { key });
  await sleep(200);
  const restore = withoutTable(server.ledger, 'holds');
  const { data, chunks } = await events(response);
  restore();
  assert.notEqual(data.at(-1), '[DONE]');
  assert.equal(chunks.at(-1).error.message, 'Internal server error');
  const given = chunks.map((c) => c.choices?.[0]?.delta.content ?? '').join('').length;
  const line = await settled(server, 'ann');
  assert.deepEqual([line.requests, line.completion_tokens, line.held], [1, given, 0]);
  assert.ok(given >= 20 && given < 400, `${given}`);
});

test('SIGTERM: what runs is finished, new requests are refused', async (t) => {
  const server = await startScripted(t);
  const running = post(server, '/chat/completions', say('[[slow 30]]abcdefghijkl', { stream: true }));
  await sleep(150);
  const stopped = server.stop();
  const { chunks } = await events(await running);
  assert.equal(chunks.map((c) => c.choices[0].delta.content).join(''), 'abcdefghijkl');
  assert.deepEqual(await stopped, { code: 0, signal: null });
  await assert.rejects(get(server, '/health'));
});

test('SIGTERM: the grace ends', async (t) => {
  const server = await startScripted(t, { '--grace': 1 });
  const running = post(server, '/chat/completions', say(`[[slow 50]]${'x'.repeat(900)}`, { stream: true }));
  await sleep(150);
  const stopped = server.stop();
  const { chunks } = await events(await running);
  assert.equal(chunks.at(-1).choices[0].finish_reason, 'insufficient_system_resource');
  assert.equal((await stopped).code, 0);
});

test('/tokenize, /health, /ready, /metrics, /fathom/info', async (t) => {
  const server = await startScripted(t);
  const tokens = await (await post(server, '/tokenize', { text: 'hé' })).json();
  assert.equal(tokens.count, 3);
  assert.equal(tokens.tokens.length, 3);
  const prompt = await (await post(server, '/tokenize', say('hello'))).json();
  assert.equal(prompt.count, 8);
  assert.equal((await post(server, '/tokenize', {})).status, 422);
  assert.deepEqual(await (await get(server, '/health')).json(), { status: 'ok' });
  assert.deepEqual(await (await get(server, '/ready')).json(), { status: 'ready' });

  await chat(server, 'm'.repeat(100));
  await chat(server, 'm'.repeat(100));
  const text = await (await get(server, '/metrics')).text();
  const value = (name) => Number(new RegExp(`^fathom_${name} (\\S+)$`, 'm').exec(text)?.[1]);
  assert.equal(value('prompt_tokens_total'), 206);
  assert.equal(value('generation_tokens_total'), 202);
  assert.equal(value('prefix_cache_queries_total'), 206);
  assert.equal(value('prefix_cache_hits_total'), 64);
  for (const name of ['time_to_first_token_seconds', 'time_per_output_token_seconds', 'e2e_request_latency_seconds']) {
    assert.equal(value(`${name}_count`), 2);
  }
  for (const name of ['num_requests_running', 'num_requests_waiting', 'kv_cache_usage']) assert.equal(value(name), 0);
  assert.equal(value('weights_moved'), 1); // a backend that moves nothing

  const info = await (await get(server, '/fathom/info')).json();
  assert.equal(info.model, 'deepseek-chat');
  assert.equal(info.context_length, 65536);
  assert.equal(info.api_key_required, false);
  assert.equal(info.prices, null);
});

test('logs: JSON with request ids, without what was said', async (t) => {
  const server = await startScripted(t);
  const response = await post(server, '/chat/completions', say('a secret'));
  await response.text();
  while (!server.log.join('').includes('\n')) await sleep(20);
  const line = server.logged().find((l) => l.event === 'request');
  assert.equal(line.request_id, response.headers.get('x-request-id'));
  assert.equal(line.status, 200);
  assert.equal(line.completion_tokens, 9);
  assert.ok(!server.log.join('').includes('secret'));
});

test('the page, or a word that it is left out', async (t) => {
  const server = await startScripted(t);
  const response = await get(server, '/');
  assert.equal(response.status, 200);
  if (response.headers.get('content-type').startsWith('text/plain')) return;
  assert.match(response.headers.get('content-security-policy'), /default-src 'none'/);
  assert.equal(response.headers.get('cache-control'), 'no-cache');
  const etag = response.headers.get('etag');
  const again = await get(server, '/', { 'If-None-Match': etag });
  assert.equal(again.status, 304);
  const script = /src="\.?\/?(assets\/[^"]+\.js)"/.exec(await response.text())[1];
  const asset = await get(server, `/${script}`, { 'Accept-Encoding': 'gzip' });
  assert.match(asset.headers.get('content-type'), /^text\/javascript/);
  assert.equal(asset.headers.get('content-encoding'), 'gzip');
  assert.match(asset.headers.get('cache-control'), /immutable/);
});

test('TLS', async (t) => {
  const folder = scratch(t);
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1', '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const server = await startScripted(t, { '--tls-cert': cert, '--tls-key': key });
  const text = await new Promise((done, refuse) => {
    const request = httpsRequest(`${server.url}/chat/completions`, { method: 'POST', ca: readFileSync(cert) }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part) => (body += part)).on('end', () => done(body));
    });
    request.on('error', refuse).end(JSON.stringify(say('[[slow 5]]over TLS', { stream: true })));
  });
  assert.match(text, /data: \[DONE\]\n\n$/);
  await assert.rejects(startScripted(t, { '--tls-cert': cert }), /expected both or none/);
  await assert.rejects(startScripted(t, { '--tls-cert': '/nowhere', '--tls-key': key }), /--tls-cert \/nowhere/);
});
