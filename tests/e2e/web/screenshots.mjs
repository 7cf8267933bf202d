// Takes pictures of the page's main states, light and dark, at two widths, for people to look at.
//   node tests/e2e/web/screenshots.mjs [FOLDER]     (artifacts/screenshots unless told)
import { mkdirSync } from 'node:fs';
import { launch, openPage } from './harness/browser.mjs';
import { inPieces, kRichAnswer } from './harness/samples.mjs';
import { startScriptedServer } from './harness/scripted_server.mjs';

const folder =
  process.argv[2] ?? new URL('../../../artifacts/screenshots', import.meta.url).pathname;
mkdirSync(folder, { recursive: true });

const kTools = JSON.stringify([
  {
    name: 'get_weather',
    parameters: { type: 'object', properties: { place: { type: 'string' } } },
  },
]);

async function ask({ page, t }, text) {
  await page.getByLabel(t('message'), { exact: true }).fill(text);
  await page.keyboard.press('Control+Enter');
}

const settled = ({ page, t }) =>
  page
    .getByRole('list', { name: t('statsLabel') })
    .last()
    .waitFor();

/** Each state: what leads to it, from a fresh page. */
const kStates = {
  async empty() {},
  async answer(view, server) {
    server.answer({
      pieces: [{ wait: 120 }, ...inPieces(kRichAnswer, 8).flatMap((piece) => [piece, { wait: 3 }])],
      usage: {
        prompt_tokens: 1312,
        prompt_cache_hit_tokens: 1280,
        prompt_cache_miss_tokens: 32,
        completion_tokens: 412,
        completion_tokens_details: {
          accepted_prediction_tokens: 180,
          rejected_prediction_tokens: 32,
        },
      },
    });
    await ask(
      view,
      view.language === 'zh'
        ? '一步一步解方程 x² − 5x + 6 = 0'
        : 'Solve x² − 5x + 6 = 0, step by step',
    );
    await settled(view);
    await view.page.waitForTimeout(500);
  },
  async answer_top(view, server) {
    await kStates.answer(view, server);
    await view.page.locator('.thread').evaluate((box) => (box.scrollTop = 0));
    await view.page.waitForTimeout(200);
  },
  async writing(view, server) {
    server.answer({ pieces: [...inPieces(kRichAnswer.slice(0, 900), 8), { wait: 20_000 }] });
    await ask(view, 'Solve x² − 5x + 6 = 0, step by step');
    await view.page.waitForTimeout(900);
  },
  async queued(view, server) {
    server.answer({ pieces: [{ keepAlive: true }, { wait: 20_000 }] });
    await ask(view, 'How deep is the sea off Ushant?');
    await view.page.waitForTimeout(1400);
  },
  async error(view, server) {
    server.answer({ status: 402, message: 'Insufficient Balance' });
    await ask(view, 'How deep is the sea off Ushant?');
    await view.page.getByRole('alert').waitFor();
  },
  async tool_call(view, server) {
    await view.page.keyboard.press('Control+,');
    await view.page.getByLabel(view.t('functions'), { exact: true }).fill(kTools);
    await view.page.keyboard.press('Escape');
    server.answer({
      pieces: [
        {
          toolCalls: [
            {
              index: 0,
              id: 'c1',
              type: 'function',
              function: { name: 'get_weather', arguments: '{"place":"Brest, France"}' },
            },
          ],
        },
      ],
      finish: 'tool_calls',
    });
    await ask(view, 'What is the weather in Brest?');
    await settled(view);
  },
  async files({ page, t }) {
    const file = (name, text) => ({ name, mimeType: 'text/plain', buffer: Buffer.from(text) });
    await page
      .locator('input[type=file][multiple]')
      .first()
      .setInputFiles([
        file('gate.cc', 'int main() {}\n'.repeat(60)),
        file('notes.md', '# Notes\n'.repeat(20)),
        { name: 'chart.png', mimeType: 'image/png', buffer: Buffer.from([137, 80, 78, 71]) },
      ]);
    await page.getByLabel(t('message'), { exact: true }).fill('What does this code do?');
    await page.waitForTimeout(700);
  },
  async list(view, server) {
    for (const title of [
      'Latent attention, explained',
      'Word count in C++',
      'A letter to the harbour master',
    ]) {
      await ask(view, title);
      await settled(view);
      await view.page.keyboard.press('Control+Shift+O');
    }
    if (view.size === 'phone')
      await view.page.getByRole('button', { name: view.t('openSidebar') }).click();
    await view.page.waitForTimeout(300);
  },
  async settings_model({ page }) {
    await page.keyboard.press('Control+,');
    await page.waitForTimeout(250);
  },
  async settings_page({ page, t }) {
    await page.keyboard.press('Control+,');
    await page.getByRole('tab', { name: t('tabPage') }).click();
    await page.waitForTimeout(250);
  },
  async speed(view, server) {
    const story = inPieces(
      'The keeper let the lead run out. Forty fathoms, he wrote, and sand. '.repeat(4),
      4,
    );
    const timed = (ms) => ({ pieces: story.flatMap((piece) => [piece, { wait: ms }]) });
    server.answer(timed(12), timed(5));
    await view.page.goto(`${view.page.url().split('#')[0]}#speed`);
    await view.page.getByRole('button', { name: view.t('speedRun') }).click();
    await view.page.locator('.verdict strong').waitFor();
  },
};

const browser = await launch();
const wanted = process.env.STATES?.split(',') ?? Object.keys(kStates);
for (const size of ['phone', 'desktop']) {
  for (const colorScheme of ['light', 'dark']) {
    for (const state of wanted) {
      const language = process.env.LANGUAGE ?? (state === 'answer_top' ? 'zh' : 'en');
      const server = await startScriptedServer();
      const view = await openPage(browser, server.url, { size, language, colorScheme });
      await kStates[state](view, server);
      await view.page.screenshot({
        path: `${folder}/${state}-${size === 'phone' ? 390 : 1440}-${colorScheme}.png`,
      });
      await view.context.close();
      server.close();
      if (view.problems.length > 0) console.log(state, view.problems);
    }
  }
}
await browser.close();
