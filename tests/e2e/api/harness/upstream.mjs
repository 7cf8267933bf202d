// Another OpenAI-compatible server, as a test scripts it, and a `fathom serve --upstream` before it.
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { join } from 'node:path';
import { fathom, scratch, start } from './server.mjs';

/** How each project calls the owner of its models. */
export const owners = {
  openai: 'organization-owner', deepseek: 'deepseek', vllm: 'vllm', sglang: 'sglang',
  lmdeploy: 'lmdeploy', 'tensorrt-llm': 'tensorrt_llm', mindie: 'MindIE Server',
};

async function read(request) {
  let text = '';
  for await (const part of request.setEncoding('utf8')) text += part;
  return text ? JSON.parse(text) : undefined;
}

/**
 * A server of that kind whose answers `answer(body, response, request)` writes. `asked` has the
 * bodies of what came, `left` how many of its answers nobody waited for to the end.
 */
export async function startUpstream(t, kind, answer, { models = ['their-model'], tls } = {}) {
  const upstream = { asked: [], headers: [], paths: [], left: 0 };
  const listener = async (request, response) => {
    if (request.method === 'GET' && request.url.endsWith('/models')) {
      const data = models.map((id) => ({ id, object: 'model', created: 1, owned_by: owners[kind], max_model_len: 32768 }));
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify({ object: 'list', data }));
      return;
    }
    response.on('close', () => {
      if (!response.writableFinished) ++upstream.left;
    });
    const body = await read(request);
    upstream.asked.push(body);
    upstream.headers.push(request.headers);
    upstream.paths.push(request.url);
    await answer(body, response, request);
  };
  const server = tls ? createTlsServer(tls, listener) : createServer(listener);
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  upstream.server = server;
  upstream.url = `${tls ? 'https' : 'http'}://127.0.0.1:${server.address().port}/v1`;
  return upstream;
}

/** `fathom serve` before it. Flags as {'--grace': 1}. */
export async function startBefore(t, upstream, flags = {}, { dir = [], env, ledger = join(scratch(t), 'ledger.db') } = {}) {
  const args = Object.entries({ '--upstream': upstream.url, '--port': 0, '--ledger': ledger, ...flags }).flat().map(String);
  const server = await start(t, fathom, ['serve', ...dir, ...args], { env });
  server.ledger = ledger;
  return server;
}

/** Writes events as a stream; strings go out as they are. */
export async function stream(response, events, { done = true, pause = 0 } = {}) {
  response.setHeader('Content-Type', 'text/event-stream; charset=utf-8');
  for (const event of events) {
    response.write(typeof event === 'string' ? event : `data: ${JSON.stringify(event)}\n\n`);
    if (pause) await new Promise((go) => setTimeout(go, pause));
  }
  if (done) response.write('data: [DONE]\n\n');
  response.end();
}

export const head = { id: 'chatcmpl-7', object: 'chat.completion.chunk', created: 1, model: 'their-model' };

/** Chunks that say `words` one by one and then stop. */
export function saying(words, { finish = 'stop', usage } = {}) {
  const chunk = (delta, finish_reason = null) => ({ ...head, choices: [{ index: 0, delta, logprobs: null, finish_reason }] });
  const chunks = [chunk({ role: 'assistant', content: '' }), ...words.map((content) => chunk({ content })), chunk({}, finish)];
  if (usage) chunks.push({ ...head, choices: [], usage });
  return chunks;
}
