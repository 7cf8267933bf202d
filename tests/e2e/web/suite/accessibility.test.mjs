// axe-core finds nothing serious in the page's main states.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import {
  answers,
  ask,
  askAndWait,
  button,
  closeSettings,
  openList,
  openSettings,
  set,
} from '../harness/chat.mjs';
import { inPieces, kRichAnswer } from '../harness/samples.mjs';
import { once } from '../harness/suite.mjs';

const kAxe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function check({ page }, state) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(kAxe);
  const { violations } = await page.evaluate(() =>
    window.axe.run(document, { resultTypes: ['violations'] }),
  );
  const serious = violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(
      ({ id, nodes }) =>
        `${id}: ${nodes.map((node) => `${node.target} (${node.any[0]?.message ?? ''})`).join(', ')}`,
    );
  assert.deepEqual(serious, [], state);
}

const kVariants = [
  { size: 'desktop', language: 'en', page: { colorScheme: 'light' } },
  { size: 'desktop', language: 'zh', page: { colorScheme: 'dark' } },
  { size: 'phone', language: 'en', page: { colorScheme: 'dark' } },
  { size: 'phone', language: 'zh', page: { colorScheme: 'light' } },
];

for (const variant of kVariants) {
  const { colorScheme } = variant.page;

  once(
    `conversations, ${colorScheme}`,
    async (view, server) => {
      await check(view, 'empty');
      server.answer(
        { pieces: inPieces(kRichAnswer, 40) },
        { status: 402, message: 'Insufficient Balance' },
      );
      const answer = await askAndWait(view, 'Solve it');
      await answer.locator('.katex-display').waitFor();
      await answer.locator('.hljs-keyword').first().waitFor();
      await check(view, 'answer');
      await ask(view, 'More');
      await view.page.getByRole('alert').waitFor();
      await check(view, 'error');
      await openList(view);
      await check(view, 'list');
    },
    variant,
  );

  once(
    `settings and speed, ${colorScheme}`,
    async (view, server) => {
      const { page, t } = view;
      const dialog = await openSettings(view);
      await set(dialog, t('functions'), '{"name": "f"}');
      await check(view, 'settings of the conversation');
      await page.getByRole('tab', { name: t('tabPage') }).click();
      await check(view, 'settings of the page');
      await closeSettings(view);
      server.answer({
        pieces: [
          {
            toolCalls: [
              {
                index: 0,
                id: 'c',
                type: 'function',
                function: { name: 'f', arguments: '{"a":1}' },
              },
            ],
          },
        ],
        finish: 'tool_calls',
      });
      await ask(view, 'Call');
      await answers(view).getByLabel(t('toolResult')).waitFor();
      await check(view, 'function call');
      await page.keyboard.press('Control+/');
      await check(view, 'keys');
      await page.keyboard.press('Escape');
      server.answer({ pieces: inPieces(kRichAnswer, 30) }, { pieces: inPieces(kRichAnswer, 30) });
      await page.evaluate(() => (location.hash = '#speed'));
      await button(view, 'speedRun').click();
      await page.getByText(t('speedSame')).waitFor();
      await check(view, 'speed');
    },
    variant,
  );
}
