// What the steps of a visit share.
import assert from 'node:assert/strict';
import { closeSettings, openSettings, set } from '../harness/chat.mjs';

/**
 * With a frequency penalty of -2 every token makes itself likelier, so that what has begun to repeat
 * itself never ends: an answer that lasts as long as a test needs.
 */
export const kEndless = { temperature: 0, frequency_penalty: -2, max_tokens: 3900 };
export const kRepeat = `Repeat: ${'7 '.repeat(24).trim()}`;

/** Fills fields of the conversation's settings, by the names of their words. */
export async function setParams(view, values) {
  const dialog = await openSettings(view);
  for (const [key, value] of Object.entries(values)) await set(dialog, view.t(key), value);
  await closeSettings(view);
}

/** A number of an answer's figures, by the words around it. */
export async function figure(view, answer, key) {
  const [before, behind] = view.t(key, { n: '|' }).split('|');
  const text = (
    await answer.getByRole('list', { name: view.t('statsLabel') }).textContent()
  ).replace(/,/g, '');
  const escaped = [before, behind].map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const found = new RegExp(`${escaped[0]}([\\d.]+)${escaped[1]}`).exec(text);
  assert.ok(found, `no ${key} in ${text}`);
  return Number(found[1]);
}

export const answerText = async (answer) =>
  (await answer.locator('.markdown').textContent()).trim();
