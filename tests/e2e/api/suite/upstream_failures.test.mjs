// What goes wrong between us and another server, and who pays for it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { account, chat, customer, events, nano, post, run, say, scratch } from '../harness/server.mjs';
import { head, saying, startBefore, startUpstream, stream } from '../harness/upstream.mjs';

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const usage = (prompt_tokens, completion_tokens) => ({ prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens });
const running = (content, completion, finish_reason = null) => ({ ...head, choices: [{ index: 0, delta: { content }, finish_reason }], usage: { ...usage(100, completion), prompt_tokens_details: { cached_tokens: 64 } } });
const spent = (server) => 1_000_000_000 - Math.round(Number(account(server.ledger, 'ann').total_balance) * 1e9);
const price = (hit, miss, output) => 500 * hit + 2000 * miss + 8000 * output;

async function until(condition, what) {
  for (let tries = 0; !condition(); ++tries) {
    assert.ok(tries < 500, what);
    await sleep(20);
  }
}

test('errors: whose they are, in the shape of each server', async (t) => {
  let answer;
  const upstream = await startUpstream(t, 'vllm', (body, response) => answer(response));
  const server = await startBefore(t, upstream);
  const key = customer(server.ledger, 'ann', { paid: '1' });
  const refuse = (status, body) => {
    answer = (response) => {
      response.writeHead(status, { 'Content-Type': 'application/json' });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    };
  };
  const got = async () => {
    const { status, body } = await chat(server, 'x', {}, { key });
    return [status, body.error.message];
  };
  const long = "This model's maximum context length is 32768 tokens.";
  // What is wrong with the request is told, from every shape.
  for (const body of [
    { object: 'error', message: long, type: 'BadRequestError', param: null, code: 400 }, // vLLM, SGLang, LMDeploy, TensorRT-LLM
    { error: { message: long, type: 'BadRequestError', param: null, code: 400 } }, // newer vLLM, OpenAI, DeepSeek
    { error: long, error_type: 'Input Validation Error' }, // MindIE, TGI
    { detail: long },
  ]) {
    refuse(400, body);
    assert.deepEqual(await got(), [400, long]);
  }
  refuse(422, { detail: [{ type: 'int_parsing', loc: ['body', 'messages', 0, 'role'], msg: 'Input should be a valid string', input: 5 }] });
  assert.deepEqual(await got(), [422, 'body.messages.0.role: Input should be a valid string']);
  refuse(429, { message: 'queue of cluster-7 is full' });
  assert.deepEqual(await got(), [429, "Rate limit reached: the model's server takes no more"]);
  for (const status of [503, 529]) {
    refuse(status, 'upstream connect error');
    assert.deepEqual(await got(), [503, "The model's server is overloaded"]);
  }
  // What is wrong between us and the server is not: our key, the model's name, the server itself.
  for (const [status, body] of [
    [401, { error: { message: 'Incorrect API key provided: sk-secret' } }], [403, 'no'], [402, { error: { message: 'Insufficient Balance' } }],
    [404, { object: 'error', message: 'The model `their-model` does not exist.', code: 404 }],
    [500, '<html>nginx</html>'], [502, 'bad gateway at 10.0.0.7'],
  ]) {
    refuse(status, body);
    assert.deepEqual(await got(), [500, 'Internal server error']);
  }
  await until(() => server.log.join('').includes('sk-secret'), 'the operator sees why');

  // An error as an event, before anything and after something.
  for (const event of [{ error: { message: long, type: 'BadRequestError', code: 400 } }, { object: 'error', message: long, code: 400 }]) {
    answer = (response) => stream(response, [event]);
    assert.deepEqual(await got(), [400, long]);
  }
  assert.equal(spent(server), 0);
  answer = (response) => stream(response, [running('Hel', 2), { error: { message: 'CUDA error at rank 3', code: 500 } }]);
  const { data } = await events(await post(server, '/chat/completions', say('x', { stream: true }), { key }));
  assert.equal(JSON.parse(data.at(-1)).error.message, 'Internal server error');
  assert.equal(spent(server), price(64, 36, 2));
});

test('redirects are not followed', async (t) => {
  let followed = 0;
  const inside = createServer((_, response) => (++followed, response.end('{}')));
  await new Promise((done) => inside.listen(0, '127.0.0.1', done));
  t.after(() => inside.close());
  const upstream = await startUpstream(t, 'openai', (_, response) => {
    response.writeHead(status, { Location: `http://127.0.0.1:${inside.address().port}/latest/meta-data` });
    response.end();
  });
  let status;
  const server = await startBefore(t, upstream);
  for (status of [301, 302, 303, 307, 308]) assert.equal((await chat(server, 'x')).status, 500);
  await until(() => server.log.join('').includes('redirects are not followed'), 'the operator sees why');
  assert.equal(followed, 0);
});

test('a server that dies in the middle of an answer', async (t) => {
  let die;
  const upstream = await startUpstream(t, 'vllm', async (_, response) => {
    response.setHeader('Content-Type', 'text/event-stream');
    for (const event of die.events) response.write(`data: ${JSON.stringify(event)}\n\n`);
    await sleep(50);
    if (die.clean) response.end();
    else response.socket.destroy();
  });
  const server = await startBefore(t, upstream);
  const key = customer(server.ledger, 'ann', { paid: '1' });
  die = { events: [] };
  assert.deepEqual((await chat(server, 'x', {}, { key })).body.error.message, "The model's server broke off its answer");
  assert.equal(spent(server), 0);
  let total = 0;
  for (const clean of [false, true]) {
    die = { clean, events: [running('Hel', 1), running('lo', 5)] };
    const { data, chunks } = await events(await post(server, '/chat/completions', say('x', { stream: true }), { key }));
    assert.equal(chunks.slice(0, -1).map((c) => c.choices[0].delta.content).join(''), 'Hello');
    assert.match(JSON.parse(data.at(-1)).error.message, /broke off/);
    assert.equal((await chat(server, 'x', {}, { key })).status, 500);
    total += 2 * price(64, 36, 5);
    assert.equal(spent(server), total);
  }
  // All was said but [DONE].
  die = { events: [running('Hi', 2, 'stop')] };
  assert.equal((await chat(server, 'x', {}, { key })).body.choices[0].finish_reason, 'stop');
  // Nobody is there any more.
  upstream.server.closeAllConnections();
  await new Promise((done) => upstream.server.close(done));
  const gone = await chat(server, 'x', {}, { key });
  assert.equal(gone.status, 503);
  assert.equal(gone.body.error.message, "The model's server cannot be reached");
  assert.equal(spent(server), total + price(64, 36, 2));
});

test('a client that leaves ends the work, and pays for what was made', async (t) => {
  const upstream = await startUpstream(t, 'vllm', async (_, response) => {
    response.setHeader('Content-Type', 'text/event-stream');
    for (let i = 1; !response.destroyed && i < 1000; ++i) {
      response.write(`data: ${JSON.stringify(running('x', i))}\n\n`);
      await sleep(20);
    }
  });
  const server = await startBefore(t, upstream);
  const key = customer(server.ledger, 'ann', { paid: '1' });
  const abort = new AbortController();
  const response = await post(server, '/chat/completions', say('x', { stream: true }), { key, signal: abort.signal });
  await response.body.getReader().read();
  abort.abort();
  await until(() => upstream.left === 1, 'the upstream was not told');
  await until(() => spent(server) > 0, 'nothing was charged');
  const [line] = JSON.parse(run('account', 'usage', 'ann', '--json', '--ledger', server.ledger));
  assert.equal(line.prompt_cache_hit_tokens, 64);
  assert.ok(line.completion_tokens > 0 && line.completion_tokens < 900, JSON.stringify(line));
  assert.equal(spent(server), price(64, 36, line.completion_tokens));
});

test('money: 402 before the server is asked, a stream ends at the balance', async (t) => {
  const upstream = await startUpstream(t, 'vllm', async (_, response) => {
    response.setHeader('Content-Type', 'text/event-stream');
    // It has no end of its own, however slowly it is read.
    for (let i = 1; !response.destroyed; ++i) {
      response.write(`data: ${JSON.stringify(running('x', i))}\n\n`);
      if (i % 100 === 0) await sleep(10);
    }
  });
  const server = await startBefore(t, upstream);
  const poor = customer(server.ledger, 'poor');
  assert.equal((await chat(server, 'x', {}, { key: poor })).status, 402);
  assert.equal(upstream.asked.length, 0);
  const key = customer(server.ledger, 'ann', { paid: '0.0026' });
  const { chunks } = await events(await post(server, '/chat/completions', say('x', { stream: true }), { key }));
  const made = chunks.map((c) => c.choices[0].delta.content).join('').length;
  assert.equal(made, Math.floor((2_600_000 - price(64, 36, 0)) / 8000));
  assert.equal(chunks.at(-1).choices[0].finish_reason, 'insufficient_system_resource');
  await until(() => upstream.left === 1, 'the upstream goes on');
  const { total_balance, held } = account(server.ledger, 'ann');
  assert.ok(Number(total_balance) >= 0 && Number(total_balance) < 0.000008 && Number(held) === 0, total_balance);
});

test('a server that says nothing, and an answer beyond the time limit', async (t) => {
  const upstream = await startUpstream(t, 'openai', (body, response) => {
    response.setHeader('Content-Type', 'text/event-stream');
    if (body.messages[0].content === 'half') response.write(`data: ${JSON.stringify(running('x', 1))}\n\n`);
    else response.flushHeaders();
  });
  const silent = await startBefore(t, upstream, { '--upstream-timeout': 1 });
  assert.equal((await chat(silent, 'x')).status, 500);
  await until(() => silent.log.join('').includes('it takes too long'), 'the operator sees why');
  const limited = await startBefore(t, upstream, { '--time-limit': 1 });
  assert.equal((await chat(limited, 'half')).status, 503);
});

test('an upstream that is hostile breaks nothing', async (t) => {
  let bytes;
  const upstream = await startUpstream(t, 'openai', (_, response) => {
    response.socket.end(bytes);
  });
  const server = await startBefore(t, upstream);
  const event = (data) => `HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ${data}\n\ndata: [DONE]\n\n`;
  const chunk = (choice) => event(JSON.stringify({ choices: [choice] }));
  for (bytes of [
    '', 'hello', 'HTTP/9.9 200 OK\r\n\r\n', `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`,
    'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n{}', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{',
    'HTTP/1.1 200 OK\r\n\r\n', 'HTTP/1.1 200 OK\r\n\r\n[]', 'HTTP/1.1 200 OK\r\n\r\n{"choices": 5}',
    event('{'), event('\xff'), event('['.repeat(200)), event('{"a":1e999}'), event('5'),
    chunk({ index: 99, delta: { content: 'x' } }), chunk({ index: -5 }), chunk('x'), chunk(null),
    chunk({ delta: { tool_calls: [...Array(500).keys()].map((index) => ({ index, function: { name: 'f' } })) } }),
    chunk({ delta: { tool_calls: [{ index: 1e18, function: 5 }] }, logprobs: { content: [{ bytes: ['x'], top_logprobs: [5] }, 7] } }),
  ]) {
    const { status, body } = await chat(server, 'x');
    assert.ok(status === 500 || (status === 200 && body.choices), `${status} for ${bytes.slice(0, 60)}`);
  }
  for (const used of [{ prompt_tokens: -5, completion_tokens: -5 }, { prompt_tokens: 1e300, completion_tokens: 9e18 }, { prompt_tokens: 'x' }, 5, []]) {
    bytes = event(JSON.stringify({ choices: [{ index: 0, delta: { content: 'x' }, finish_reason: 'stop' }], usage: used }));
    const { status, body } = await chat(server, 'hello');
    assert.equal(status, 200);
    assert.deepEqual([body.usage.prompt_tokens, body.usage.completion_tokens], [1, 1], JSON.stringify(used));
  }
  assert.equal((await fetch(`${server.url}/health`)).status, 200);
});

test('https, with whom to trust', async (t) => {
  const folder = scratch(t);
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1', '-subj', '/CN=elsewhere', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const tls = { cert: readFileSync(cert), key: readFileSync(key) };
  const upstream = await startUpstream(t, 'sglang', (_, response) => stream(response, saying(['over TLS'], { usage: usage(5, 3) })), { tls });
  const server = await startBefore(t, upstream, { '--upstream-ca': cert });
  assert.equal((await chat(server, 'x')).body.choices[0].message.content, 'over TLS');
  await assert.rejects(startBefore(t, upstream), /TLS: certificate verify failed/);
  // The right certificate of another name.
  const other = { ...upstream, url: upstream.url.replace('127.0.0.1', 'localhost') };
  await assert.rejects(startBefore(t, other, { '--upstream-ca': cert }), /certificate verify failed/);
});

test('settings: flags, TOML, keys, names', async (t) => {
  const folder = scratch(t);
  const upstream = await startUpstream(t, 'vllm', (_, response) => stream(response, saying(['x'], { usage: usage(5, 2) })), { models: ['one', 'two'] });
  await assert.rejects(startBefore(t, upstream), /--upstream-model: .* has these: one, two/);
  await assert.rejects(startBefore(t, upstream, { '--upstream-kind': 'ollama' }), /--upstream-kind ollama: expected one of openai, deepseek/);
  await assert.rejects(startBefore(t, upstream, { '--max-running': 5 }), /--max-running: has no meaning with --upstream/);
  for (const url of ['ftp://x', 'http://', 'http://a:b', 'http://u@h/v1', 'http://h/v1?x=1', 'http://h:99999']) {
    await assert.rejects(startBefore(t, { url }), /--upstream .*expected http/, url);
  }
  await assert.rejects(startBefore(t, { url: 'http://127.0.0.1:9/v1' }), /upstream http:\/\/127\.0\.0\.1:9\/v1: connecting: /);
  assert.throws(() => run('serve', '--upstream-model', 'x'), /--upstream-model: has no meaning without --upstream/);

  const keyFile = join(folder, 'key');
  writeFileSync(keyFile, 'sk-theirs\n');
  const toml = join(folder, 'serve.toml');
  writeFileSync(toml, `upstream = "${upstream.url}"\nupstream-model = "two"\nupstream-key-file = "${keyFile}"\n`);
  const { start, fathom } = await import('../harness/server.mjs');
  const server = await start(t, fathom, ['serve', '--config', toml, '--port', '0', '--ledger', join(folder, 'ledger.db')]);
  await chat(server, 'x');
  assert.equal(upstream.asked.at(-1).model, 'two');
  assert.equal(upstream.headers.at(-1).authorization, 'Bearer sk-theirs');
  // A client's own key never leaves us.
  const secret = customer(join(folder, 'ledger.db'), 'ann', { paid: '1' });
  await sleep(1100);
  await chat(server, 'x', {}, { key: secret });
  assert.equal(upstream.headers.at(-1).authorization, 'Bearer sk-theirs');

  const env = await startBefore(t, upstream, { '--upstream-model': 'one', '--upstream-key-env': 'THEIR_KEY' }, { env: { THEIR_KEY: 'sk-env' } });
  await chat(env, 'x');
  assert.equal(upstream.headers.at(-1).authorization, 'Bearer sk-env');
  await assert.rejects(startBefore(t, upstream, { '--upstream-model': 'one', '--upstream-key-env': 'NO_SUCH_KEY' }), /\$NO_SUCH_KEY is not set/);
});

test('with the tokenizer of the model, prompts are counted before', async (t) => {
  const dir = join(scratch(t), 'model');
  run('synth', nano, dir);
  let answer = saying(['abc']);
  const upstream = await startUpstream(t, 'lmdeploy', (_, response) => stream(response, answer));
  const server = await startBefore(t, upstream, {}, { dir: [dir] });
  const { count } = await (await post(server, '/tokenize', say('hello'))).json();
  const { body } = await chat(server, 'hello');
  assert.equal(body.usage.prompt_tokens, count); // the server never said
  assert.equal(body.usage.completion_tokens, 3); // bytes, in this tokenizer
  const long = await chat(server, 'x'.repeat(30_000));
  assert.equal(long.status, 400);
  assert.match(long.body.error.message, /maximum context length is 32768 tokens.*requested 34\d\d\d tokens \(300\d\d in the messages, 4096 in the completion\)/);
  const without = await startBefore(t, upstream);
  const refused = await post(without, '/tokenize', { text: 'x' });
  assert.equal(refused.status, 400);
  assert.match((await refused.json()).error.message, /has no tokenizer/);
});
