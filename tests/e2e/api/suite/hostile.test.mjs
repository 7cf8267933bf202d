// What no well-meaning client sends: always an error in JSON, and a server that goes on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chat, post, raw, say, startScripted } from '../harness/server.mjs';

const statusOf = (out) => Number(/^HTTP\/1\.1 (\d+) /.exec(out)?.[1]);
const messageOf = (out) => JSON.parse(out.slice(out.indexOf('\r\n\r\n') + 4)).error.message;

test('hostile input', async (t) => {
  const server = await startScripted(t);

  async function refused(body, message, status = 400) {
    const response = await post(server, '/chat/completions', body);
    const { error } = JSON.parse(await response.text());
    assert.equal(response.status, status, error.message);
    assert.match(error.message, message);
  }

  await t.test('no HTTP', async () => {
    for (const [bytes, status] of [
      ['hello\r\n\r\n', 400], ['GET / HTTP/3.0\r\n\r\n', 400],
      [`GET / HTTP/1.1\r\nX: ${'y'.repeat(40_000)}\r\n\r\n`, 431],
      ['POST /tokenize HTTP/1.1\r\nContent-Length: -1\r\n\r\n', 400],
      ['POST /tokenize HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n', 400],
    ]) {
      const out = await raw(server, bytes);
      assert.equal(statusOf(out), status, bytes.slice(0, 40));
      assert.ok(messageOf(out));
    }
  });
  await t.test('several requests at once are answered in turn', async () => {
    const one = 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n';
    const out = await raw(server, one + one + one.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
    assert.equal(out.match(/HTTP\/1\.1 200 /g).length, 3);
  });
  await t.test('empty lines between requests, and the form of a target that proxies get', async () => {
    const get = (target) => `GET ${target} HTTP/1.1\r\nHost: localhost\r\n`;
    const out = await raw(server, `\r\n${get('/health')}\r\n\r\n\r\n${get('http://localhost/v1/models?x=1')}Connection: close\r\n\r\n`);
    assert.equal(out.match(/HTTP\/1\.1 200 /g)?.length, 2, out);
  });
  await t.test('no JSON, or no object', async () => {
    await refused('', /Failed to parse the request body as JSON/);
    await refused('{"a":', /line 1, column/);
    await refused('[]', /expected an object/);
    await refused('{"a":1e999}', /out of range/);
  });
  await t.test('deeply nested JSON', async () => {
    await refused('['.repeat(1_000_000), /nested deeper than 100 levels/);
    await refused('{"a":'.repeat(200_000), /nested deeper than 100 levels/);
  });
  await t.test('very many objects', async () => {
    const began = performance.now();
    await refused(`{"messages":[${Array(300_000).fill('{}').join()}]}`, /role/, 422);
    assert.ok(performance.now() - began < 20_000);
  });
  await t.test('an object of very many keys', async () => {
    await refused(`{${[...Array(2000).keys()].map((i) => `"k${i}":1`).join()}}`, /more than 1024 keys/);
  });
  await t.test('bodies of 100 MB, announced and in chunks whose sum nobody announced', async () => {
    const announced = await raw(server, 'POST /tokenize HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n');
    assert.equal(statusOf(announced), 413);
    const chunk = `100000\r\n${'x'.repeat(1 << 20)}\r\n`;
    const flood = await raw(server, `POST /tokenize HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(100)}0\r\n\r\n`, 20_000);
    assert.equal(statusOf(flood), 413);
  });
  await t.test('invalid UTF-8', async () => {
    for (const bytes of [[0x7b, 0xff, 0x7d], [0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d], [0x7b, 0x22, 0xc0, 0xaf]]) {
      const response = await fetch(`${server.url}/chat/completions`, { method: 'POST', body: Buffer.from(bytes) });
      assert.equal(response.status, 400);
      assert.match((await response.json()).error.message, /not valid UTF-8/);
    }
  });
  await t.test('huge n', async () => {
    for (const n of [17, 1e12, -1]) await refused(say('x', { n }), /the valid range of n is \[1, 16\]/);
    await refused(say('x', { n: 1e300 }), /n: invalid type: floating point/, 422);
  });
  await t.test('10,000 stop strings', async () => {
    await refused(say('x', { stop: [...Array(10_000).keys()].map(String) }), /10000 strings, expected at most 16/);
  });
  await t.test('path traversal', async () => {
    for (const path of ['/../../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd', '/assets/../../etc/passwd', '/assets/..%2f..%2fetc%2fpasswd', '//etc/passwd', '/assets/\\..\\etc\\passwd', 'file:///etc/passwd']) {
      const out = await raw(server, `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
      assert.equal(statusOf(out), 404, path);
      assert.match(messageOf(out), /^Not found/);
    }
  });
  assert.equal((await chat(server, 'still here')).body.choices[0].message.content, 'still here');
});
