// Runs the suite with one browser for all of its files.
//   node tests/e2e/web/run.mjs [FILE...]     (every file of suite/ unless told)
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { launchServer } from './harness/browser.mjs';

const here = (path) => new URL(path, import.meta.url).pathname;

if (!existsSync(here('../../../web/dist/index.html'))) {
  console.error('web/dist is missing: build the page first, by scripts/build_web.sh');
  process.exit(1);
}
const named = process.argv.slice(2);
const files =
  named.length > 0
    ? named
    : readdirSync(here('suite'))
        .sort()
        .map((name) => here(`suite/${name}`));
const browser = await launchServer();

/** Runs test files, `atOnce` of them at a time; returns whether all passed. */
function run(paths, atOnce) {
  const options = ['--test', `--test-concurrency=${atOnce}`, '--test-reporter=spec', ...paths];
  const env = { ...process.env, FATHOM_BROWSER: browser.wsEndpoint() };
  const tests = spawn(process.execPath, options, { stdio: 'inherit', env });
  return new Promise((done) => tests.on('exit', (code) => done(code === 0)));
}

// What is measured has the machine for itself; the visits to the real server go two at a time anyway,
// and share the clipboard.
const isAlone = (path) => /performance|real_server/.test(path);
let passed = true;
const together = files.filter((path) => !isAlone(path));
if (together.length > 0) passed = await run(together, Math.min(2, cpus().length));
const alone = files.filter(isAlone);
if (alone.length > 0) passed = (await run(alone, 1)) && passed;
await browser.close();
process.exit(passed ? 0 : 1);
