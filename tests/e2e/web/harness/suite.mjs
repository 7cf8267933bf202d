// What a test file is made of: tests that get a fresh server each, on a page of their own or one
// that the tests of a file share.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, test } from 'node:test';
import { kTwoVariants, kVariants, launch, openPage, reopenPage } from './browser.mjs';
import { startScriptedServer } from './scripted_server.mjs';

const kFailures = new URL('../../../../artifacts/web-failures/', import.meta.url).pathname;

let browser;
after(async () => {
  await closePages();
  await (await browser)?.close();
});

/** The browser that this file's tests share. */
export const sharedBrowser = () => (browser ??= launch());

/**
 * One test on a fresh page of the scripted server. `options`: `server` and `page` go to their makers,
 * `size` and `language` choose the variant.
 */
export function once(name, run, { size = 'desktop', language = 'en', server, page } = {}) {
  test(`${name} (${size}, ${language})`, { timeout: 300_000 }, async () => {
    const scripted = await startScriptedServer(server);
    try {
      await onPage(scripted.url, { name, size, language, ...page }, (view) => run(view, scripted));
    } finally {
      scripted.close();
    }
  });
}

/** The same test at both widths and in both languages: a phone in Chinese, a desktop in English. */
export function everywhere(name, run, options) {
  for (const variant of kTwoVariants) once(name, run, { ...options, ...variant });
}

/** The same test at each width in each language, where the words' lengths matter. */
export function everyWay(name, run, options) {
  for (const variant of kVariants) once(name, run, { ...options, ...variant });
}

const pages = new Map();

/** The page for these options: the one that the test before left, or a new one. */
async function pageFor(url, options) {
  const key = JSON.stringify(options);
  const view = pages.get(key);
  if (view) await reopenPage(view, url);
  else pages.set(key, await openPage(await sharedBrowser(), url, options));
  return pages.get(key);
}

/** Runs `use` on a page; what went wrong unseen (script errors, outside requests) fails too. */
export async function onPage(url, { name, ...options }, use) {
  const view = await pageFor(url, options);
  try {
    await use(view);
    assert.deepEqual(view.problems, []);
  } catch (error) {
    mkdirSync(kFailures, { recursive: true });
    const file = `${name}-${view.size}-${view.language}`.replace(/[^\w-]+/g, '_');
    await view.page.screenshot({ path: `${kFailures}${file}.png` }).catch(() => {});
    pages.delete(JSON.stringify(options));
    await view.context.close();
    throw error;
  }
}

/** Closes what the tests before used, for one that must have the browser for itself. */
export async function closePages() {
  for (const { context } of pages.values()) await context.close();
  pages.clear();
}

/** Tries `check` until it no longer throws. */
export async function eventually(check, limitMs = 45_000) {
  const end = Date.now() + limitMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((again) => setTimeout(again, 40));
    }
  }
}
