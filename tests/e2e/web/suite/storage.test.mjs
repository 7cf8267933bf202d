// What the browser keeps when several tabs write it, and when it cannot be written.
import assert from 'node:assert/strict';
import {
  answered,
  answers,
  ask,
  askAndWait,
  button,
  chooseInMenu,
  listed,
  newChat,
  openListed,
  questions,
} from '../harness/chat.mjs';
import { eventually, once } from '../harness/suite.mjs';

/** A script that answers `before`, and `after` once `goOn` was called. */
function held(before, after) {
  let goOn;
  const hold = new Promise((resolve) => (goOn = resolve));
  return { script: { pieces: [before, { hold }, after] }, goOn: () => goOn() };
}

/** The same conversation in a second tab, which runs `first` before the page's own scripts. */
async function secondTab(view, first = () => {}) {
  const page = await view.context.newPage();
  await page.addInitScript(first);
  await page.goto(view.page.url());
  return { ...view, page };
}

async function rename(view, from, to) {
  await chooseInMenu(view, from, 'rename');
  await view.page.getByLabel(view.t('renameLabel')).fill(to);
  await view.page.keyboard.press('Enter');
  await listed(view).filter({ hasText: to }).waitFor();
}

const heading = ({ page }) => page.getByRole('heading', { level: 1 });
const titles = async (view) => (await listed(view).allTextContents()).map((text) => text.trim());

once('a conversation keeps the name that it gets while it answers', async (view, server) => {
  const answer = held('One', ' two.');
  server.answer(answer.script);
  await ask(view, 'Count');
  await answers(view).getByText('One').waitFor();
  await newChat(view);
  await rename(view, 'Count', 'Numbers');
  await openListed(view, listed(view).first());
  assert.equal(await heading(view).textContent(), 'Numbers');
  answer.goOn();
  await answered(view);
  await askAndWait(view, 'More', 2);
  await eventually(async () => assert.deepEqual(await titles(view), ['Numbers']));
});

once('a name given in one tab outlives a question asked in another', async (view) => {
  await askAndWait(view, 'Count');
  const second = await secondTab(view);
  await answered(second);
  await rename(second, 'Count', 'Numbers');
  await second.page.close();
  await askAndWait(view, 'More', 2);
  assert.deepEqual(await titles(view), ['Numbers']);
});

once('a conversation that another tab deleted is whole again when it goes on', async (view) => {
  await askAndWait(view, 'Count');
  const second = await secondTab(view);
  await answered(second);
  await chooseInMenu(second, 'Count', 'delete');
  await eventually(async () => assert.deepEqual(await titles(view), []));
  await second.page.evaluate(
    () =>
      new Promise((done) => {
        indexedDB.open('fathom').onsuccess = ({ target: { result: db } }) => {
          const transaction = db.transaction(['conversations', 'messages'], 'readwrite');
          for (const name of transaction.objectStoreNames) transaction.objectStore(name).clear();
          transaction.oncomplete = done;
        };
      }),
  );
  await second.page.close();
  await askAndWait(view, 'More', 2);
  await view.page.reload();
  await answered(view, 2);
  assert.deepEqual(await questions(view).locator('.text').allTextContents(), ['Count', 'More']);
  assert.deepEqual(await titles(view), ['Count']);
});

once('what one tab is writing another only shows', async (view, server) => {
  const answer = held('One', ' two.');
  server.answer(answer.script);
  await ask(view, 'Count');
  await answers(view).getByText('One').waitFor();
  const second = await secondTab(view);
  await answers(second).getByText(view.t('elsewhereNote')).waitFor();
  assert.equal(await button(second, 'continue').count(), 0);
  assert.ok(await button(second, 'regenerate').isDisabled());
  answer.goOn();
  await answered(view);
  await answers(second).getByText('One two.').waitFor();
  await button(second, 'regenerate').click();
  await answers(second).getByText('All right.').waitFor();
  await second.page.close();
});

once('where nothing can be stored the page says so and answers', async (view, server) => {
  const { page, t } = view;
  await page.evaluate(() => {
    const { put, add } = IDBObjectStore.prototype;
    const fail = () => {
      throw new DOMException('No room', 'QuotaExceededError');
    };
    Object.assign(IDBObjectStore.prototype, { put: fail, add: fail });
    window.makeRoom = () => Object.assign(IDBObjectStore.prototype, { put, add });
  });
  server.answer({ pieces: ['One.'] }, { pieces: ['Two.'] });
  await askAndWait(view, 'Count');
  const notice = page
    .getByRole('status')
    .getByText(t('storageFailed', { reason: '' }).slice(0, 20));
  await notice.waitFor();
  await answers(view).getByText('One.').waitFor();

  // With room again all of it is stored with the next question.
  await page.evaluate(() => window.makeRoom());
  await askAndWait(view, 'More', 2);
  await page.reload();
  await answered(view, 2);
  assert.deepEqual(await questions(view).locator('.text').allTextContents(), ['Count', 'More']);
  await answers(view).getByText('One.').waitFor();
});

once('an answer whose end cannot be stored is shown to its end', async (view, server) => {
  const answer = held('One', ' two.');
  server.answer(answer.script);
  await ask(view, 'Count');
  await answers(view).getByText('One').waitFor();
  await view.page.evaluate(() => {
    IDBObjectStore.prototype.put = () => {
      throw new DOMException('No room', 'QuotaExceededError');
    };
  });
  answer.goOn();
  await answered(view);
  await answers(view).getByText('One two.').waitFor();
  assert.ok(await button(view, 'regenerate').isEnabled());
});

once('a start that cannot clear what was deleted shows the list', async (view) => {
  await askAndWait(view, 'Count');
  const second = await secondTab(view, () => {
    const { transaction } = IDBDatabase.prototype;
    IDBDatabase.prototype.transaction = function (names, mode, ...rest) {
      if (mode === 'readwrite') throw new DOMException('No room', 'QuotaExceededError');
      return transaction.call(this, names, mode, ...rest);
    };
  });
  await answered(second);
  assert.deepEqual(await titles(second), ['Count']);
  await second.page.close();
});
