// The list of conversations, on the page as the server sends it; and answers as Markdown under the
// server's own content security policy.
import assert from 'node:assert/strict';
import {
  answers,
  chooseInMenu,
  downloadOf,
  listed,
  openList,
  openSettings,
  textFile,
} from '../harness/chat.mjs';
import { conversationFile, kRichAnswer } from '../harness/samples.mjs';
import { eventually } from '../harness/suite.mjs';

const titles = async (view) => (await listed(view).allTextContents()).map((text) => text.trim());
const lists = (view, expected) =>
  eventually(async () => assert.deepEqual(await titles(view), expected));

async function importFiles(view, files) {
  const dialog = await openSettings(view, 'page');
  await dialog.locator('input[type=file]').setInputFiles(files);
  await view.page
    .getByRole('status')
    .getByText(view.t('imported1'))
    .nth(files.length - 1)
    .waitFor();
  await view.page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  await openList(view);
}

export const conversationSteps = {
  async 'all conversations are deleted, and one is imported'(view) {
    const { page, t } = view;
    const dialog = await openSettings(view, 'page');
    await dialog.getByRole('button', { name: t('deleteAll') }).click();
    await page.locator('.empty').waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    const file = conversationFile({ title: 'Roots', question: 'Solve it', answer: kRichAnswer });
    await importFiles(view, [textFile('roots.json', file)]);
    await lists(view, ['Roots']);
    await listed(view).click();
  },

  async 'its answer shows tables, formulas, and code in colours with copy'(view) {
    const { page, t } = view;
    const answer = answers(view).first();
    await answer.locator('.katex-display').waitFor();
    assert.equal(await answer.getByRole('columnheader').count(), 3);
    await answer.locator('.hljs-keyword', { hasText: 'import' }).first().waitFor();
    await answer.getByRole('button', { name: t('copyCode') }).click();
    await eventually(async () => {
      const copied = await page.evaluate(() => navigator.clipboard.readText());
      assert.match(copied, /^import math\n/);
    });
  },

  async 'rename, search in titles and messages'(view) {
    const { page, t } = view;
    await page.keyboard.press('Control+k');
    await chooseInMenu(view, 'Roots', 'rename');
    await page.getByLabel(t('renameLabel')).fill('Soundings');
    await page.keyboard.press('Enter');
    await lists(view, ['Soundings']);
    const search = page.getByLabel(t('searchPlaceholder'));
    const found = page.getByRole('navigation').locator('a .title');
    for (const [query, count] of [
      ['nowhere', 0],
      ['SOUND', 1],
      ['quadratic', 1],
    ]) {
      await search.fill(query);
      await eventually(async () => assert.equal(await found.count(), count, query));
    }
    await search.fill('');
    await lists(view, ['Soundings']);
  },

  async 'export, delete with undo, and import of what was exported'(view) {
    const { page, t } = view;
    const json = await downloadOf(view, () => chooseInMenu(view, 'Soundings', 'exportJson'));
    const markdown = await downloadOf(view, () =>
      chooseInMenu(view, 'Soundings', 'exportMarkdown'),
    );
    await chooseInMenu(view, 'Soundings', 'delete');
    await lists(view, []);
    // The deletion of all before may still be undone as well.
    await page
      .locator('.toast')
      .filter({ hasText: t('deleted', { title: 'Soundings' }) })
      .getByRole('button', { name: t('undo') })
      .click();
    await answers(view).first().waitFor();
    if (view.size === 'phone') await openList(view);
    await lists(view, ['Soundings']);
    await chooseInMenu(view, 'Soundings', 'delete');
    await lists(view, []);
    await page.keyboard.press('Escape');
    await importFiles(view, [
      textFile(json.name, json.text),
      textFile(markdown.name, markdown.text),
    ]);
    await lists(view, ['Soundings', 'Soundings']);
    await listed(view).first().click();
    await answers(view).first().locator('.katex-display').waitFor();
  },
};
