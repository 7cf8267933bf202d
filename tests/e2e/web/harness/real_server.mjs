// `fathom serve` on the model that it has by default, with a ledger and a cache of its own.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const kProgram =
  process.env.FATHOM_PROGRAM ??
  new URL('../../../../build/release/fathom', import.meta.url).pathname;

/** One answer at a time, and signs of life at short intervals: the second of two is seen to wait. */
const kServe = ['--max-running', '1', '--keep-alive', '0.1', '--kv-memory', '0.2', '--grace', '0'];

export class RealServer {
  constructor() {
    if (!existsSync(kProgram))
      throw new Error(`no program at ${kProgram}: build it, or set FATHOM_PROGRAM`);
    this.folder = mkdtempSync(join(tmpdir(), 'fathom-web-'));
    this.ledger = join(this.folder, 'ledger.db');
    this.port = 0;
  }

  #run(...args) {
    const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] };
    return execFileSync(kProgram, [...args, '--ledger', this.ledger], options).trim();
  }

  /** An account with `paid` yuan, if any; returns a key of it. */
  customer(name, paid) {
    this.#run('account', 'create', name);
    if (paid) this.#run('account', 'topup', name, paid);
    return this.#run('keys', 'create', '--account', name, '--name', name);
  }

  account(name) {
    return JSON.parse(this.#run('account', 'show', name, '--json'));
  }

  /** Sends a request to the API, outside of the browser. */
  post(path, key, body, signal) {
    const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' };
    return fetch(this.url + path, { method: 'POST', headers, body: JSON.stringify(body), signal });
  }

  /** Listens on the port that it had before, if any. */
  async start() {
    const args = ['serve', '--port', String(this.port), '--ledger', this.ledger, ...kServe];
    args.push('--cache-dir', join(this.folder, 'cache'));
    const child = spawn(kProgram, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text) => (log += text));
    this.exited = new Promise((done) => child.on('exit', done));
    this.child = child;
    this.url = await new Promise((done, refuse) => {
      let out = '';
      child.stdout.setEncoding('utf8').on('data', (text) => {
        out += text;
        const found = / at (http:\/\/\S+)/.exec(out);
        if (found) done(found[1]);
      });
      child.on('exit', (code) => refuse(new Error(`fathom serve ended with ${code}: ${log}`)));
    });
    this.port = Number(new URL(this.url).port);
  }

  async stop() {
    this.child?.kill('SIGTERM');
    await this.exited;
  }

  async close() {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
