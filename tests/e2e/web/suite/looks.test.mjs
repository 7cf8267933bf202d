// Languages, themes, the keyboard, widths; and that the page needs its server alone.
import assert from 'node:assert/strict';
import {
  answered,
  answers,
  ask,
  askAndWait,
  button,
  field,
  openSettings,
  questions,
} from '../harness/chat.mjs';
import { wordsOf } from '../harness/browser.mjs';
import { kRichAnswer } from '../harness/samples.mjs';
import { eventually, everyWay, everywhere, once } from '../harness/suite.mjs';

everywhere('the language follows the browser and can be chosen', async (view) => {
  const { page, t, language } = view;
  const lang = () => page.locator('html').getAttribute('lang');
  assert.equal(await lang(), language === 'zh' ? 'zh-CN' : 'en');
  await page.getByText(t('emptyTitle')).waitFor();
  const other = language === 'zh' ? 'en' : 'zh';
  const dialog = await openSettings(view, 'page');
  await dialog.getByLabel(t('language')).selectOption(other);
  const words = wordsOf(other);
  await page.getByText(words('emptyTitle')).waitFor();
  assert.equal(await lang(), other === 'zh' ? 'zh-CN' : 'en');
  await page.reload();
  await page.getByText(words('emptyTitle')).waitFor();
  assert.equal(await page.title(), `${words('newChat')} · Fathom`);
});

const background = ({ page }) =>
  page.evaluate(() => {
    const [r, g, b] = getComputedStyle(document.documentElement)
      .backgroundColor.match(/[\d.]+/g)
      .map(Number);
    return (r + g + b) / 3 > 128 ? 'light' : 'dark';
  });

/** The colours follow what the system says a moment later. */
const shows = (view, expected) =>
  eventually(async () => assert.equal(await background(view), expected));

everywhere('light, dark, or as the system', async (view) => {
  const { page, t } = view;
  await page.emulateMedia({ colorScheme: 'dark' });
  await shows(view, 'dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await shows(view, 'light');
  const dialog = await openSettings(view, 'page');
  await dialog.getByLabel(t('theme')).selectOption('dark');
  await shows(view, 'dark');
  await page.reload();
  await field(view).waitFor();
  await shows(view, 'dark');
  await openSettings(view, 'page');
  await dialog.getByLabel(t('theme')).selectOption('light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await shows(view, 'light');
});

everyWay('nothing is wider than the page', async (view, server) => {
  const { page } = view;
  const wide = `${'x'.repeat(300)}\n\n| ${'wide | '.repeat(30)}\n|${'---|'.repeat(30)}\n| ${'cell | '.repeat(30)}\n\n$$${'x+'.repeat(200)}x$$\n\n\`\`\`\n${'y'.repeat(400)}\n\`\`\`\n`;
  server.answer({ pieces: [wide + kRichAnswer] });
  await askAndWait(view, `${'a'.repeat(500)}`);
  await answers(view).locator('.katex-display').first().waitFor();
  const over = () =>
    page.evaluate(() => {
      const wider = (node) => node.scrollWidth - node.clientWidth;
      return [document.documentElement, document.querySelector('.thread')].map(wider);
    });
  assert.deepEqual(await over(), [0, 0]);
  await page.setViewportSize({ width: 320, height: 640 });
  assert.deepEqual(await over(), [0, 0]);
  await page.setViewportSize({ width: 2560, height: 1300 });
  assert.deepEqual(await over(), [0, 0]);
});

for (const language of ['en', 'zh']) {
  once(
    'everything by keyboard',
    async (view, server) => {
      const { page, t } = view;
      // The field has the focus from the start; Shift+Enter is a new line, Enter sends.
      await page.keyboard.type('One');
      await page.keyboard.press('Shift+Enter');
      await page.keyboard.type('two');
      server.answer({ pieces: ['Begun', { hold: new Promise(() => {}) }] });
      await page.keyboard.press('Enter');
      await answers(view).getByText('Begun').waitFor();
      assert.equal(server.requests[0].messages[0].content, 'One\ntwo');
      await page.keyboard.press('Escape');
      await answers(view).getByText(t('stoppedNote')).waitFor();
      await answered(view);

      await page.keyboard.press('Control+k');
      const focused = () => page.evaluate(() => document.activeElement.getAttribute('aria-label'));
      await eventually(async () => assert.equal(await focused(), t('searchPlaceholder')));
      await answers(view).locator('.foot button').first().focus();
      await page.keyboard.press('/');
      await eventually(async () => assert.equal(await focused(), t('message')));

      await page.keyboard.press('Control+Shift+O');
      await page.locator('.empty').waitFor();
      await eventually(async () => assert.equal(await focused(), t('message')));
      await page.keyboard.press('Control+b');
      await page.getByRole('navigation').waitFor({ state: 'hidden' });
      await page.keyboard.press('Control+b');
      await page.getByRole('navigation').waitFor();
      await page.keyboard.press('Control+,');
      await page.getByRole('dialog', { name: t('settings') }).waitFor();
      await page.keyboard.press('Escape');
      await page.keyboard.press('Control+/');
      const help = page.getByRole('dialog', { name: t('shortcuts') });
      await help.waitFor();
      assert.equal(await help.getByRole('term').count(), 9);
      await page.keyboard.press('Escape');
      await help.waitFor({ state: 'detached' });
    },
    { language },
  );

  once(
    'what was written is edited by keyboard, and menus are walked with the arrows',
    async (view) => {
      const { page, t } = view;
      await askAndWait(view, 'One');
      await questions(view)
        .getByRole('button', { name: t('edit') })
        .press('Enter');
      await page.keyboard.press('Escape');
      assert.equal(await page.getByLabel(t('editLabel')).count(), 0);
      await questions(view)
        .getByRole('button', { name: t('edit') })
        .press('Enter');
      await page.keyboard.type(' two');
      await page.keyboard.press('Control+Enter');
      await questions(view).getByText('One two').waitFor();
      await answered(view);

      const more = page.getByRole('button', { name: `${t('more')}: One`, exact: true });
      const chosen = async (name) =>
        eventually(async () =>
          assert.equal(await page.evaluate(() => document.activeElement.textContent.trim()), name),
        );
      await more.press('Enter');
      await chosen(t('rename'));
      await page.keyboard.press('ArrowUp');
      await chosen(t('delete'));
      await page.keyboard.press('ArrowDown');
      await chosen(t('rename'));
      await page.keyboard.press('Escape');
      await page.getByRole('menuitem').first().waitFor({ state: 'hidden' });
      // A key that comes with the opening is not lost.
      await more.evaluate((button) => {
        button.click();
        button.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowUp', bubbles: true }));
      });
      await chosen(t('delete'));
      await page.keyboard.press('Escape');
      await page.getByRole('menuitem').first().waitFor({ state: 'hidden' });
    },
    { language },
  );
}

once('Enter belongs to an input method while it composes', async (view, server) => {
  await field(view).fill('ni');
  await field(view).evaluate((area) => {
    const key = { key: 'Enter', keyCode: 229, isComposing: true, bubbles: true, cancelable: true };
    area.dispatchEvent(new KeyboardEvent('keydown', key));
  });
  await view.page.waitForTimeout(100);
  assert.equal(server.requests.length, 0);
});

once(
  'on a phone Enter is a new line',
  async (view, server) => {
    await field(view).fill('One');
    await view.page.keyboard.press('Enter');
    assert.equal(await field(view).inputValue(), 'One\n');
    assert.equal(server.requests.length, 0);
  },
  { size: 'phone' },
);

once(
  'a screen reader hears that an answer begins and ends, not each of its words',
  async (view, server) => {
    let goOn;
    server.answer({
      pieces: ['Some', { hold: new Promise((resolve) => (goOn = resolve)) }, ' words'],
    });
    await ask(view, 'Go');
    const said = view.page.getByRole('main').locator('p[role=status]').first();
    await said.getByText(view.t('answering')).waitFor();
    await answers(view).getByText('Some').waitFor();
    assert.equal(await answers(view).locator('[aria-live]').count(), 0);
    goOn();
    await said.getByText(view.t('answered')).waitFor();
  },
);

once('reading further up is not disturbed by what is being written', async (view, server) => {
  const { page, t } = view;
  let goOn;
  const lines = (n) => Array.from({ length: n }, (_, i) => `line ${i}\n\n`);
  server.answer({
    pieces: [...lines(60), { hold: new Promise((resolve) => (goOn = resolve)) }, ...lines(60)],
  });
  await ask(view, 'Go');
  await answers(view).getByText('line 59').waitFor();
  const thread = page.locator('.thread');
  const fromEnd = () =>
    thread.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight);
  await eventually(async () => assert.ok((await fromEnd()) < 4));
  await thread.evaluate((box) => (box.scrollTop = 100));
  await button(view, 'toLatest').waitFor();
  goOn();
  await answered(view);
  assert.equal(await thread.evaluate((box) => box.scrollTop), 100);
  await button(view, 'toLatest').click();
  await eventually(async () => assert.ok((await fromEnd()) < 4));
  assert.equal(await page.getByRole('button', { name: t('toLatest') }).count(), 0);
});

once('the examples on the empty page ask', async (view, server) => {
  await button(view, 'try2').click();
  await answered(view);
  assert.equal(server.requests[0].messages[0].content, view.t('try2'));
});
