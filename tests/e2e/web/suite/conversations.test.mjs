// The list of conversations, and their way out of the browser and back.
import assert from 'node:assert/strict';
import {
  answered,
  answers,
  ask,
  askAndWait,
  button,
  chooseInMenu,
  downloadOf,
  field,
  listed,
  newChat,
  openList,
  openListed,
  openSettings,
  questions,
  textFile,
} from '../harness/chat.mjs';
import { conversationFile } from '../harness/samples.mjs';
import { eventually, everywhere, once } from '../harness/suite.mjs';

const toast = ({ page }, text) => page.getByRole('status').getByText(text).waitFor();

async function importFile(view, file) {
  const dialog = await openSettings(view, 'page');
  await dialog.locator('input[type=file]').setInputFiles(file);
  return dialog;
}

async function closeAndList(view) {
  await view.page.keyboard.press('Escape');
  await openList(view);
}

/** Puts deletions back by a minute. */
const letUndoPass = (page) =>
  page.evaluate(
    () =>
      new Promise((done) => {
        indexedDB.open('fathom').onsuccess = ({ target: { result: db } }) => {
          const transaction = db.transaction('conversations', 'readwrite');
          transaction.objectStore('conversations').openCursor().onsuccess = (event) => {
            const cursor = event.target.result;
            if (!cursor) return;
            const { deletedAt } = cursor.value;
            if (deletedAt) cursor.update({ ...cursor.value, deletedAt: deletedAt - 60_000 });
            cursor.continue();
          };
          transaction.oncomplete = done;
        };
      }),
  );

const storedMessages = (page) =>
  page.evaluate(
    () =>
      new Promise((resolve) => {
        indexedDB.open('fathom').onsuccess = ({ target: { result: db } }) => {
          const store = db.transaction('messages').objectStore('messages');
          store.count().onsuccess = (event) => resolve(event.target.result);
        };
      }),
  );

const titles = async (view) => (await listed(view).allTextContents()).map((text) => text.trim());

everywhere('rename, delete, and undo', async (view) => {
  const { page, t } = view;
  await askAndWait(view, 'The depth of the sea');
  await openList(view);
  await chooseInMenu(view, 'The depth of the sea', 'rename');
  await page.getByLabel(t('renameLabel')).fill('Soundings');
  await page.keyboard.press('Enter');
  await eventually(async () => assert.deepEqual(await titles(view), ['Soundings']));

  await chooseInMenu(view, 'Soundings', 'delete');
  await toast(view, t('deleted', { title: 'Soundings' }));
  await eventually(async () => assert.deepEqual(await titles(view), []));
  assert.equal(await page.locator('.empty').count(), 1);
  await button(view, 'undo').click();
  await answered(view);
  await openList(view);
  await eventually(async () => assert.deepEqual(await titles(view), ['Soundings']));

  // Deleted and not undone: gone after a reload too.
  await chooseInMenu(view, 'Soundings', 'delete');
  await toast(view, t('deleted', { title: 'Soundings' }));
  await letUndoPass(page);
  await page.reload();
  await page.locator('.empty').waitFor();
  await eventually(async () => assert.equal(await storedMessages(page), 0));
});

once('a second tab leaves what the first can still undo', async (view, server) => {
  const { context, page, t } = view;
  for (const title of ['Kept', 'Deleted']) {
    await newChat(view);
    await askAndWait(view, title);
  }
  await chooseInMenu(view, 'Deleted', 'delete');
  const second = { ...view, page: await context.newPage() };
  await second.page.goto(server.url);
  await eventually(async () => assert.deepEqual(await titles(second), ['Kept']));
  await button(view, 'undo').click();
  await answered(view);
  await eventually(async () => assert.deepEqual(await titles(second), ['Deleted', 'Kept']));

  // The time has passed while the notice was still on show: a tab that was asleep, say.
  await chooseInMenu(view, 'Deleted', 'delete');
  await toast(view, t('deleted', { title: 'Deleted' }));
  await letUndoPass(page);
  await second.page.reload();
  await eventually(async () => assert.equal(await storedMessages(page), 2));
  await button(view, 'undo').click();
  await toast(view, t('undoTooLate'));
  assert.deepEqual(await titles(view), ['Kept']);
  await second.page.close();
});

everywhere('the list goes by date, and is searched in titles and messages', async (view) => {
  const { page, t } = view;
  await importFile(
    view,
    textFile(
      'fathom.json',
      conversationFile(
        { title: 'Harbour', question: 'About ships', answer: 'The lighthouse keeper sleeps.' },
        { title: 'Tides', daysAgo: 1 },
        { title: 'Currents', daysAgo: 4 },
        { title: 'Old charts', daysAgo: 20, answer: '灯塔守护者测量大海。' },
        { title: 'Older charts', daysAgo: 400 },
      ),
      'application/json',
    ),
  );
  await toast(view, t('imported', { n: 5 }));
  await closeAndList(view);
  await eventually(async () =>
    assert.deepEqual(await titles(view), [
      'Harbour',
      'Tides',
      'Currents',
      'Old charts',
      'Older charts',
    ]),
  );
  const groups = await page.getByRole('navigation').getByRole('heading').allTextContents();
  assert.deepEqual(groups.slice(0, 4), [t('today'), t('yesterday'), t('last7'), t('last30')]);
  assert.equal(groups.length, 5);
  assert.match(groups[4], /\d{4}/);

  const search = page.getByLabel(t('searchPlaceholder'));
  const found = async (query, expected) => {
    await search.fill(query);
    await eventually(async () =>
      assert.deepEqual(
        await page.getByRole('navigation').locator('a .title').allTextContents(),
        expected,
      ),
    );
  };
  await found('chart', ['Old charts', 'Older charts']);
  await found('KEEPER light', ['Harbour']);
  assert.equal(await page.getByRole('navigation').locator('mark').textContent(), 'keeper');
  await found('测量大海', ['Old charts']);
  await found('nowhere', []);
  await page.getByText(t('searchNothing', { query: 'nowhere' })).waitFor();
  await found('', ['Harbour', 'Tides', 'Currents', 'Old charts', 'Older charts']);

  await listed(view).filter({ hasText: 'Harbour' }).click();
  await answers(view).getByText('The lighthouse keeper sleeps.').waitFor();
});

everywhere('export and import, as JSON and as Markdown', async (view, server) => {
  const { page, t } = view;
  const code = '```sh\necho "<!-- fathom:user -->"\n```\n<!-- fathom:user -->\nnot a question';
  server.answer({ pieces: ['First.'] }, { pieces: [code] });
  await page
    .locator('input[type=file][multiple]')
    .first()
    .setInputFiles(textFile('gate.cc', 'int main() {}\n'));
  await askAndWait(view, 'Depth?\nIn fathoms');
  await button(view, 'regenerate').click();
  await answers(view).getByText('not a question').waitFor();
  await answered(view);
  await openList(view);
  const json = await downloadOf(view, () => chooseInMenu(view, 'Depth?', 'exportJson'));
  const markdown = await downloadOf(view, () => chooseInMenu(view, 'Depth?', 'exportMarkdown'));
  assert.deepEqual([json.name, markdown.name], ['Depth .json', 'Depth .md']);
  assert.match(
    markdown.text,
    /^<!-- fathom:title -->\n# Depth\?\n\n<!-- fathom:user -->\nDepth\?\nIn fathoms\n/,
  );
  const [kept] = JSON.parse(json.text).conversations;
  assert.equal(kept.messages.length, 3);

  await chooseInMenu(view, 'Depth?', 'delete');
  await page.keyboard.press('Escape');
  await importFile(view, [textFile(json.name, json.text), textFile(markdown.name, markdown.text)]);
  await closeAndList(view);
  await eventually(async () => assert.deepEqual(await titles(view), ['Depth?', 'Depth?']));

  // Both say the same on the branch that was on show; JSON keeps the other branch as well.
  const seen = [];
  for (const index of [0, 1]) {
    await openListed(view, listed(view).nth(index));
    await questions(view).getByText('gate.cc').waitFor();
    await answers(view).getByText('not a question').waitFor();
    seen.push({
      question: await questions(view).locator('.text').textContent(),
      answer: await answers(view)
        .locator('.markdown')
        .evaluate((root) => root.innerText.replace(/^.*\n/, '')),
      versions: await page.getByRole('group').count(),
    });
    await openList(view);
  }
  seen.sort((a, b) => b.versions - a.versions);
  assert.deepEqual(
    seen.map(({ versions }) => versions),
    [1, 0],
  );
  assert.equal(seen[0].question, seen[1].question);
  assert.equal(seen[0].answer, seen[1].answer);
});

once('all conversations are exported as one file, and deleted at once with undo', async (view) => {
  const { t } = view;
  for (const title of ['One', 'Two']) {
    await askAndWait(view, title);
    await newChat(view);
  }
  const dialog = await openSettings(view, 'page');
  const all = await downloadOf(view, () =>
    dialog.getByRole('button', { name: t('exportAll') }).click(),
  );
  assert.equal(all.name, 'fathom.json');
  assert.deepEqual(
    JSON.parse(all.text).conversations.map((c) => c.title),
    ['Two', 'One'],
  );
  await dialog.getByRole('button', { name: t('deleteAll') }).click();
  await eventually(async () => assert.deepEqual(await titles(view), []));
  await button(view, 'undo').click();
  await eventually(async () => assert.deepEqual(await titles(view), ['Two', 'One']));
});

once('a file that cannot be imported is refused with the reason', async (view) => {
  const files = [
    ['cut.json', '{"format": "fathom-conv', /cut\.json/],
    ['other.json', '{"format": "other"}', /format is not "fathom-conversations"/],
    [
      'role.json',
      '{"format":"fathom-conversations","conversations":[{"messages":[{"role":"boss"}]}]}',
      /messages\[0\]\.role is "boss"/,
    ],
    ['notes.md', '# Just notes\n', /no line like <!-- fathom:user -->/],
    ['empty.json', '{"format":"fathom-conversations"}', new RegExp(view.t('importNoConversation'))],
  ];
  for (const [name, text, reason] of files) {
    await importFile(view, textFile(name, text));
    await view.page.getByRole('status').getByText(reason).waitFor();
    await view.page.keyboard.press('Escape');
  }
  assert.deepEqual(await titles(view), []);
});

once('conversations are there after a reload, each under its own address', async (view, server) => {
  const { page } = view;
  server.answer({ pieces: ['One.'] }, { pieces: ['Two.'] });
  await askAndWait(view, 'First');
  const address = page.url();
  await newChat(view);
  await askAndWait(view, 'Second');
  assert.notEqual(page.url(), address);
  await page.goto(address);
  await answers(view).getByText('One.').waitFor();
  await page.goBack();
  await answers(view).getByText('Two.').waitFor();
  await page.reload();
  await answers(view).getByText('Two.').waitFor();
  assert.deepEqual(await titles(view), ['Second', 'First']);
  await ask(view, 'More');
  await answered(view, 2);
});

/**
 * Keeps the page from reading its database: another page of the browser writes in it, until what this
 * returns is called.
 */
async function holdDatabase({ context, page }) {
  const other = await context.newPage();
  await other.goto(new URL('/icon.svg', page.url()).href);
  await other.evaluate(
    () =>
      new Promise((held) => {
        indexedDB.open('fathom').onsuccess = ({ target: { result: db } }) => {
          const names = ['conversations', 'messages'];
          const store = db.transaction(names, 'readwrite').objectStore('messages');
          const again = () => {
            held();
            store.count().onsuccess = again;
          };
          store.count().onsuccess = again;
        };
      }),
  );
  return () => other.close();
}

once(
  'what is asked for last is shown, however long an earlier one is read',
  async (view, server) => {
    const { page } = view;
    server.answer({ pieces: ['One.'] }, { pieces: ['Two.'] });
    await askAndWait(view, 'First');
    await newChat(view);
    await askAndWait(view, 'Second');
    const empty = page.locator('.empty');
    const stays = async (locator) => {
      await locator.waitFor();
      await page.evaluate(() => new Promise((read) => setTimeout(read, 200)));
      assert.equal(await locator.count(), 1);
    };

    // A new conversation after another was chosen.
    let release = await holdDatabase(view);
    await listed(view).filter({ hasText: 'First' }).click();
    await page.keyboard.press('Control+Shift+O');
    await release();
    await stays(empty);

    // Two chosen one after the other, and the first of them again.
    release = await holdDatabase(view);
    for (const title of ['First', 'Second', 'First'])
      await listed(view).filter({ hasText: title }).click();
    await release();
    await stays(answers(view).getByText('One.'));

    // While the page starts: neither a glimpse of the empty page, nor the old conversation over the new.
    release = await holdDatabase(view);
    await page.reload();
    await field(view).waitFor();
    assert.equal(await empty.count(), 0);
    await page.keyboard.press('Control+Shift+O');
    await empty.waitFor();
    await release();
    await listed(view).first().waitFor();
    await stays(empty);
    assert.equal(new URL(page.url()).hash, '');
  },
);
