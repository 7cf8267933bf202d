// What a test file is made of: tests that get a fresh server and a fresh page each.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, test } from 'node:test';
import { kVariants, launch, openPage } from './browser.mjs';
import { startScriptedServer } from './scripted_server.mjs';

const kFailures = new URL('../../../../artifacts/web-failures/', import.meta.url).pathname;

let browser;
after(async () => (await browser)?.close());

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

/** The same test at both widths and in both languages. */
export function everywhere(name, run, options) {
  for (const variant of kVariants) once(name, run, { ...options, ...variant });
}

/** Runs `use` on a page of its own; what went wrong unseen (script errors, outside requests) fails too. */
export async function onPage(url, { name, ...options }, use) {
  const view = await openPage(await sharedBrowser(), url, options);
  try {
    await use(view);
    assert.deepEqual(view.problems, []);
  } catch (error) {
    mkdirSync(kFailures, { recursive: true });
    const file = `${name}-${view.size}-${view.language}`.replace(/[^\w-]+/g, '_');
    await view.page.screenshot({ path: `${kFailures}${file}.png` }).catch(() => {});
    throw error;
  } finally {
    await view.context.close();
  }
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
