// The server is stopped in the middle of a conversation, and started again.
import assert from 'node:assert/strict';
import {
  answered,
  answers,
  ask,
  askAndWait,
  closeSettings,
  figures,
  openSettings,
  questions,
  set,
} from '../harness/chat.mjs';
import { figure, setParams } from './visit.mjs';

export async function restart(view, { server, key, name }) {
  const { page, t } = view;
  const dialog = await openSettings(view, 'page');
  await set(dialog, t('apiKey'), key);
  await closeSettings(view);
  await setParams(view, { maxTokens: '8', temperature: '0' });
  // Not in the cache by an earlier visit.
  const story = `${name}: ${'The keeper let the lead run out and wrote the depth down. '.repeat(12)}`;
  const first = await askAndWait(view, story);
  assert.equal(await figure(view, first, 'statHits'), 0);
  const said = await first.locator('.markdown').textContent();

  await server.stop();
  await ask(view, 'And then?');
  const alert = page.getByRole('alert');
  await alert.getByText(t('errorNetwork')).waitFor();
  assert.equal(await questions(view).count(), 2);
  assert.equal(await answers(view).first().locator('.markdown').textContent(), said);

  await server.start();
  await alert.getByRole('button', { name: t('retry') }).click();
  await figures(view).nth(1).waitFor();
  const second = await answered(view, 2);
  assert.equal(await alert.count(), 0);
  // What the first turn left in the context cache outlived the server.
  assert.ok((await figure(view, second, 'statHits')) >= 64);

  await page.reload();
  await answered(view, 2);
  assert.equal(await answers(view).first().locator('.markdown').textContent(), said);
}
