// The key, the balance and the prices of a server that asks for a key; and its errors, with retry.
import assert from 'node:assert/strict';
import {
  answered,
  answers,
  ask,
  closeSettings,
  figures,
  openSettings,
  set,
} from '../harness/chat.mjs';
import { figure } from './visit.mjs';

export const kPaid = '9.00';

const alertOf = ({ page }) => page.getByRole('alert');
const retry = (view) =>
  alertOf(view)
    .getByRole('button', { name: view.t('retry') })
    .click();

export const accountSteps = {
  async 'without a key: the error, and the way to enter one'(view) {
    const { page, t } = view;
    await ask(view, 'Hello!');
    await alertOf(view).getByText(t('errorKey')).waitFor();
    await alertOf(view)
      .getByRole('button', { name: t('enterKey') })
      .click();
    const dialog = page.getByRole('dialog', { name: t('settings') });
    await set(dialog, t('apiKey'), 'sk-wrong');
    await dialog.getByText(t('balanceUnknown')).waitFor();
    await closeSettings(view);
    await retry(view);
    await alertOf(view).getByText('401').waitFor();
  },

  async 'a key without money: the error, and another key'(view, { key, emptyKey }) {
    const { t } = view;
    const dialog = await openSettings(view, 'page');
    await set(dialog, t('apiKey'), emptyKey);
    await dialog.getByText('¥0.00').waitFor();
    await closeSettings(view);
    await retry(view);
    await alertOf(view).getByText(t('errorBalance')).waitFor();
    await openSettings(view, 'page');
    await set(dialog, t('apiKey'), key);
    await dialog.getByText(`¥${kPaid}`).waitFor();
    assert.equal(await dialog.getByRole('table').getByRole('row').count(), 4);
    await closeSettings(view);
  },

  async 'a server out of reach: the error, and then the answer with its figures'(view) {
    const { page, t } = view;
    await view.context.setOffline(true);
    await retry(view);
    await alertOf(view).getByText(t('errorNetwork')).waitFor();
    await view.context.setOffline(false);
    await retry(view);
    const answer = await answered(view);
    await figures(view).waitFor();
    assert.equal(await answers(view).count(), 1);
    assert.equal(await alertOf(view).count(), 0);
    assert.ok((await figure(view, answer, 'statOut')) > 0);
    assert.ok((await figure(view, answer, 'statMiss')) > 0);
    assert.ok((await figure(view, answer, 'statSpeed')) > 0);
    assert.match(await figures(view).textContent(), /¥0\.0/);
    const used =
      (await figure(view, answer, 'statPrompt')) + (await figure(view, answer, 'statOut'));
    await page
      .getByRole('img', { name: t('contextUsed', { used: String(used), total: '4,096' }) })
      .waitFor();
  },
};

/** At the end of a visit: what the page shows is what the ledger holds. */
export async function checkBalance(view, { server, name }) {
  const left = server.account(name).total_balance;
  assert.ok(Number(left) < Number(kPaid) && Number(left) > 0, left);
  const dialog = await openSettings(view, 'page');
  await dialog.getByRole('button', { name: view.t('refresh') }).click();
  await dialog.getByText(`¥${(Math.floor(Number(left) * 100) / 100).toFixed(2)}`).waitFor();
  await closeSettings(view);
}
