// What a user does on the page, by the names that a screen reader says.

export const field = ({ page, t }) => page.getByLabel(t('message'), { exact: true });
export const button = ({ page, t }, key, values) =>
  page.getByRole('button', { name: t(key, values), exact: true });
export const questions = ({ page, t }) =>
  page.getByRole('article', { name: t('you'), exact: true });
export const answers = ({ page, t }) =>
  page.getByRole('article', { name: t('assistant'), exact: true });
export const figures = ({ page, t }) => page.getByRole('list', { name: t('statsLabel') });

/** Sends a message, without waiting for the answer. */
export async function ask(view, text) {
  await field(view).fill(text);
  await button(view, 'send').click();
}

/** Waits until the last of `count` answers is over, and returns it. */
export async function answered(view, count = 1) {
  const answer = answers(view).nth(count - 1);
  await answer.locator('.answer[aria-busy=false]').waitFor();
  await answer.locator('.foot').waitFor();
  return answer;
}

export async function askAndWait(view, text, count = 1) {
  await ask(view, text);
  return answered(view, count);
}

/** Brings the list of conversations into view: on a phone it lies behind a button. */
export async function openList(view) {
  if (view.size === 'phone') await button(view, 'openSidebar').click();
}

export const listed = ({ page, t }) =>
  page.getByRole('navigation', { name: t('conversations') }).getByRole('link');

/** Opens a conversation by its link in the list, and waits until it is the one on show. */
export async function openListed({ page }, link) {
  const address = await link.getAttribute('href');
  await link.click();
  await page.locator(`nav a[href="${address}"][aria-current=page]`).waitFor({ state: 'attached' });
}

/** Chooses an entry of a conversation's menu; the list must be in view. */
export async function chooseInMenu(view, title, key) {
  await view.page.getByRole('button', { name: `${view.t('more')}: ${title}`, exact: true }).click();
  await view.page.getByRole('menuitem', { name: view.t(key), exact: true }).click();
}

export async function newChat(view) {
  await view.page.keyboard.press('Control+Shift+O');
  await view.page.locator('.empty').waitFor();
}

/** Opens the settings: 'model' for the conversation's, 'page' for the page's own. */
export async function openSettings(view, tab = 'model') {
  const { page, t } = view;
  await page
    .getByRole('main')
    .getByRole('button', { name: t('settings'), exact: true })
    .click();
  const dialog = page.getByRole('dialog', { name: t('settings') });
  await dialog.getByRole('tab', { name: t(tab === 'model' ? 'tabModel' : 'tabPage') }).click();
  return dialog;
}

export async function closeSettings({ page, t }) {
  await page.keyboard.press('Escape');
  await page.getByRole('dialog', { name: t('settings') }).waitFor({ state: 'detached' });
}

/** Sets one field of a settings dialog, as leaving it does. */
export async function set(dialog, label, value) {
  const box = dialog.getByLabel(label, { exact: true }).first();
  await box.fill(value);
  await box.blur();
}

/** The content of the file that `act` makes the page download, and its name. */
export async function downloadOf({ page }, act) {
  const [download] = await Promise.all([page.waitForEvent('download'), act()]);
  const parts = [];
  for await (const part of await download.createReadStream()) parts.push(part);
  return { name: download.suggestedFilename(), text: Buffer.concat(parts).toString('utf8') };
}

export const textFile = (name, text, mimeType = 'text/plain') => ({
  name,
  mimeType,
  buffer: Buffer.from(text),
});
