// Starts servers for tests, each with a ledger of its own, and talks to them without any library.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const fathom = process.env.FATHOM;
export const scripted = process.env.SCRIPTED_SERVER;
/** The configuration of a model of a few hundred kilobytes. */
export const nano = fileURLToPath(new URL('../../../configs/nano.json', import.meta.url));

/** A folder that is gone when the test file ends. */
export function scratch(t) {
  const folder = mkdtempSync(join(tmpdir(), 'fathom-api-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function run(...args) {
  return execFileSync(fathom, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

/** An account with money and a key; returns the key. */
export function customer(ledger, name, { currency = 'CNY', granted = '0', paid = '0' } = {}) {
  run('account', 'create', name, '--currency', currency, '--ledger', ledger);
  if (granted !== '0') run('account', 'grant', name, granted, '--ledger', ledger);
  if (paid !== '0') run('account', 'topup', name, paid, '--ledger', ledger);
  return run('keys', 'create', '--account', name, '--name', `${name}-key`, '--ledger', ledger);
}

export function account(ledger, name) {
  return JSON.parse(run('account', 'show', name, '--json', '--ledger', ledger));
}

/** Starts a program that prints "... at URL" once it listens. */
export async function start(t, program, args, { env = {} } = {}) {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  const server = { child, log: [], exited: new Promise((done) => child.on('exit', (code, signal) => done({ code, signal }))) };
  child.stderr.setEncoding('utf8').on('data', (text) => server.log.push(text));
  server.url = await new Promise((done, refuse) => {
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      out += text;
      const found = / at (https?:\/\/\S+)/.exec(out);
      if (found) done(found[1]);
    });
    child.on('exit', (code) => refuse(new Error(`exit ${code}: ${server.log.join('')}`)));
  });
  server.stop = async (signal = 'SIGTERM') => {
    child.kill(signal);
    return server.exited;
  };
  server.logged = () => server.log.join('').split('\n').filter(Boolean).map((line) => JSON.parse(line));
  t.after(() => {
    child.kill('SIGKILL');
    return server.exited;
  });
  return server;
}

/** The scripted server; flags as {'--keep-alive-ms': 50}. */
export async function startScripted(t, flags = {}, ledger = join(scratch(t), 'ledger.db')) {
  const args = Object.entries(flags).flat().map(String);
  const server = await start(t, scripted, [ledger, ...args]);
  server.ledger = ledger;
  return server;
}

export async function post(server, path, body, { key, headers = {}, signal } = {}) {
  return fetch(server.url + path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...(key ? { Authorization: `Bearer ${key}` } : {}), ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    signal,
  });
}

export const say = (text, more = {}) => ({
  model: 'deepseek-chat',
  messages: [{ role: 'user', content: text }],
  ...more,
});

export async function chat(server, text, more = {}, options = {}) {
  const response = await post(server, '/chat/completions', say(text, more), options);
  return { status: response.status, body: JSON.parse(await response.text()) };
}

/** The data of a stream's events, [DONE] included, and its comments. */
export async function events(response) {
  const text = await response.text();
  const data = [], comments = [];
  for (const block of text.split('\n\n').filter(Boolean)) {
    if (block.startsWith(':')) comments.push(block);
    else if (block.startsWith('data: ')) data.push(block.slice(6));
    else throw new Error(`no event: ${JSON.stringify(block)}`);
  }
  return { data, comments, chunks: data.filter((d) => d !== '[DONE]').map((d) => JSON.parse(d)) };
}

/** Sends bytes as they are; returns all that comes back until the end or `ms`. */
export function raw(server, bytes, ms = 3000) {
  const { hostname, port } = new URL(server.url);
  return new Promise((done) => {
    let out = '';
    const socket = net.connect(port, hostname, () => socket.write(bytes));
    socket.setEncoding('latin1').on('data', (text) => (out += text));
    const end = () => (socket.destroy(), done(out));
    socket.on('close', end).on('error', end);
    setTimeout(end, ms);
  });
}
