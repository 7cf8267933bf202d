// A server with the shapes of fathom's own whose answers a test writes beforehand: for what no model
// says on demand, such as errors, tool calls, attacks and exact Markdown.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const kRoot = new URL('../../../../web/', import.meta.url).pathname;
const kTypes = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};

/**
 * What one chat request gets.
 * @typedef {object} Script
 * @property {number} [status] with `message`: an error instead of a stream
 * @property {string} [message]
 * @property {(string | object)[]} [pieces] text, or {wait: ms}, {keepAlive: true}, {toolCalls: [...]},
 *   {error: {...}}, {cut: true} (the connection breaks), {hold: Promise}
 * @property {string} [finish]
 * @property {object} [usage] figures other than the counted ones
 */

/** `csp`: another content security policy than the page's own; empty for none. */
export async function startScriptedServer({ info = {}, balance = '110.00', key = '', csp } = {}) {
  csp ??= (await readFile(join(kRoot, 'csp.txt'), 'utf8')).trim();
  const state = { scripts: [], requests: [], tokenized: [], broken: 0, csp };
  const server = createServer((request, response) => {
    handle(state, request, response, { info, balance, key }).catch((error) => {
      response.destroy(error);
    });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Bodies of the chat requests so far, each with its `path`. */
    requests: state.requests,
    tokenized: state.tokenized,
    /** How many chat requests the page broke off. */
    broken: () => state.broken,
    /** Changes what the account holds from now on. */
    setBalance: (value) => (balance = value),
    /** Sets what the next requests get; afterwards each gets a short plain answer. */
    answer: (...scripts) => state.scripts.push(...scripts),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function handle(state, request, response, options) {
  const path = new URL(request.url, 'http://x').pathname;
  const body = request.method === 'POST' ? JSON.parse(await bodyOf(request)) : undefined;
  if (path === '/fathom/info') return json(response, 200, infoOf(options));
  if (options.key && path !== '/models' && isApi(path)) {
    if (request.headers.authorization !== `Bearer ${options.key}`) {
      return error(response, 401, 'Authentication Fails (no such user)', 'authentication_error');
    }
  }
  if (path === '/models') {
    return json(response, 200, {
      object: 'list',
      data: [{ id: 'deepseek-chat', object: 'model', owned_by: 'deepseek' }],
    });
  }
  if (path === '/user/balance') {
    const entry = {
      currency: 'CNY',
      total_balance: options.balance,
      granted_balance: '10.00',
      topped_up_balance: '100.00',
    };
    return json(response, 200, { is_available: true, balance_infos: [entry] });
  }
  if (path === '/tokenize') {
    state.tokenized.push(body.text);
    return json(response, 200, { count: countTokens(body.text) });
  }
  if (/\/chat\/completions$/.test(path)) {
    state.requests.push({ ...body, path });
    response.on('close', () => {
      if (!response.writableEnded) state.broken++;
    });
    return chat(state.scripts.shift() ?? { pieces: ['All ', 'right', '.'] }, body, response);
  }
  return file(state, path, response);
}

const isApi = (path) => /^\/(beta\/|v1\/)?(chat|user|tokenize)/.test(path);
const countTokens = (text) => Math.ceil(text.length / 4);

function infoOf({ info, key }) {
  const row = (input_cache_hit, input_cache_miss, output) => ({
    input_cache_hit,
    input_cache_miss,
    output,
    until: null,
  });
  return {
    model: 'deepseek-chat',
    name: 'scripted',
    context_length: 65536,
    max_tokens: 8192,
    defaults: {
      temperature: 1,
      top_p: 1,
      max_tokens: 4096,
      frequency_penalty: 0,
      presence_penalty: 0,
    },
    api_key_required: key !== '',
    speculation: true,
    prices: { CNY: row('0.5', '2', '8'), USD: row('0.07', '0.27', '1.10') },
    ...info,
  };
}

async function chat(script, request, response) {
  if (script.status) return error(response, script.status, script.message);
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  const chunk = (choices, usage = null) =>
    `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'deepseek-chat', choices, usage })}\n\n`;
  const choice = (delta, finish_reason = null) => [
    { index: 0, delta, logprobs: null, finish_reason },
  ];
  response.write(chunk(choice({ role: 'assistant', content: '' })));
  let completion = 0;
  for (const piece of script.pieces) {
    if (response.destroyed) return;
    if (piece.wait) await sleep(piece.wait);
    else if (piece.hold) await piece.hold;
    else if (piece.keepAlive) response.write(': keep-alive\n\n');
    else if (piece.cut) return response.destroy();
    else if (piece.error)
      return response.end(`data: ${JSON.stringify({ error: piece.error })}\n\n`);
    else {
      response.write(
        chunk(
          choice(typeof piece === 'string' ? { content: piece } : { tool_calls: piece.toolCalls }),
        ),
      );
      completion++;
    }
  }
  response.write(chunk(choice({ content: '' }, script.finish ?? 'stop')));
  const prompt = countTokens(JSON.stringify(request.messages));
  const hit = Math.floor(prompt / 128) * 64;
  response.write(
    chunk([], {
      prompt_tokens: prompt,
      completion_tokens: completion,
      total_tokens: prompt + completion,
      prompt_cache_hit_tokens: hit,
      prompt_cache_miss_tokens: prompt - hit,
      ...script.usage,
    }),
  );
  response.end('data: [DONE]\n\n');
}

async function file(state, path, response) {
  const name = normalize(path === '/' ? '/index.html' : path);
  let content;
  try {
    content = await readFile(join(kRoot, 'dist', name));
  } catch {
    return error(response, 404, `Not found: ${path}`);
  }
  response.writeHead(200, {
    'Content-Type': kTypes[extname(name)] ?? 'application/octet-stream',
    ...(state.csp && { 'Content-Security-Policy': state.csp }),
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(content);
}

function json(response, status, value) {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(value));
}

function error(response, status, message, type = 'invalid_request_error') {
  json(response, status, { error: { message, type, param: null, code: 'invalid_request_error' } });
}

async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}
