// The page that compares speculation off and on.
import assert from 'node:assert/strict';
import { button } from '../harness/chat.mjs';

export const speedSteps = {
  async 'speculation off and on give the same text, and a gain is shown'(view) {
    const { page, t } = view;
    await page.evaluate(() => (location.hash = '#speed'));
    await page.getByLabel(t('speedLength'), { exact: true }).fill('48');
    await button(view, 'speedRun').click();
    await page.getByText(t('speedSame')).waitFor();
    const gain = (await page.locator('.verdict strong').textContent()).replace(/[^\d.]/g, '');
    assert.ok(Number(gain) > 0, gain);
    await button(view, 'speedBack').click();
  },
};
