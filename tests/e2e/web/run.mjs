// Runs the suite with one browser for all of its files.
//   node tests/e2e/web/run.mjs [FILE...]     (every file of suite/ unless told)
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
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
const tests = spawn(
  process.execPath,
  ['--test', '--test-concurrency=1', '--test-reporter=spec', ...files],
  { stdio: 'inherit', env: { ...process.env, FATHOM_BROWSER: browser.wsEndpoint() } },
);
tests.on('exit', async (code) => {
  await browser.close();
  process.exit(code ?? 1);
});
