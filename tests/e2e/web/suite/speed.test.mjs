// The page that compares an answer with speculation off and on.
import assert from 'node:assert/strict';
import { askAndWait, button } from '../harness/chat.mjs';
import { inPieces } from '../harness/samples.mjs';
import { eventually, everywhere, once } from '../harness/suite.mjs';

const kStory = inPieces('The keeper let the lead run out. Forty fathoms, he wrote, and sand. ', 4);
const timed = (ms, usage) => ({ pieces: kStory.flatMap((piece) => [piece, { wait: ms }]), usage });
const lane = ({ page, t }, key) => page.getByRole('region', { name: t(key) }).first();

async function openSpeed({ page, t }) {
  await page.evaluate(() => (location.hash = '#speed'));
  await page.getByRole('heading', { name: t('speedTitle') }).waitFor();
}

everywhere(
  'the same prompt with speculation off and on, live, with the gain',
  async (view, server) => {
    const { page, t } = view;
    const details = { accepted_prediction_tokens: 12, rejected_prediction_tokens: 4 };
    let goOn;
    const off = timed(60);
    off.pieces.splice(2, 0, { hold: new Promise((resolve) => (goOn = resolve)) });
    server.answer(off, timed(10, { completion_tokens_details: details }));
    await openSpeed(view);
    await page.getByLabel(t('speedPrompt')).fill('Tell of the sea.');
    await page.getByLabel(t('speedLength'), { exact: true }).fill('64');
    await button(view, 'speedRun').click();

    // Live: the first lane fills while the second waits for its turn.
    await lane(view, 'speedOn').getByText(t('speedWaiting')).waitFor();
    await lane(view, 'speedOff').getByText('The ').waitFor();
    goOn();

    const verdict = page.locator('.verdict');
    await verdict.getByText(t('speedSame')).waitFor();
    const gain = Number((await verdict.locator('strong').textContent()).replace(/[^\d.]/g, ''));
    assert.ok(gain > 0, `gain ${gain}`);
    await lane(view, 'speedOn')
      .getByText(t('statAccepted', { n: '75' }))
      .waitFor();
    assert.match(
      await page
        .getByRole('img', { name: t('speedChart') })
        .locator('path.on')
        .getAttribute('d'),
      /^M0\.0 .*L/,
    );

    const [first, second] = server.requests;
    assert.deepEqual(
      [first.speculation, second.speculation, first.temperature, first.max_tokens, first.messages],
      [false, true, 0, 64, [{ role: 'user', content: 'Tell of the sea.' }]],
    );
    assert.deepEqual({ ...first, speculation: true }, second);

    // The replay runs both at once and ends with the whole texts.
    await button(view, 'speedReplay').click();
    await eventually(async () => assert.ok(await button(view, 'speedReplay').isEnabled()));
    assert.equal(await lane(view, 'speedOn').locator('.text').textContent(), kStory.join(''));

    await button(view, 'speedBack').click();
    await page.locator('.empty').waitFor();
  },
);

once('a measurement can be stopped; a difference and an error are said', async (view, server) => {
  const { page, t } = view;
  await openSpeed(view);
  server.answer({ pieces: ['One', { hold: new Promise(() => {}) }] });
  await button(view, 'speedRun').click();
  await lane(view, 'speedOff').getByText('One').waitFor();
  await button(view, 'stop').click();
  await button(view, 'speedRun').waitFor();
  await eventually(() => assert.equal(server.broken(), 1));
  assert.equal(server.requests.length, 1);

  server.answer(
    { pieces: ['One', { wait: 20 }, ' two'] },
    { pieces: ['One', { wait: 20 }, ' three'] },
  );
  await button(view, 'speedRun').click();
  await page.getByText(t('speedDiffer')).waitFor();

  server.answer({ status: 429, message: 'Rate limit' }, { pieces: ['x'] });
  await button(view, 'speedRun').click();
  await page.getByRole('alert').getByText('Rate limit').waitFor();
});

once(
  'a model without a draft layer is said to have none',
  async (view) => {
    await askAndWait(view, 'First');
    await view.page.getByRole('link', { name: view.t('speed') }).click();
    await view.page.getByText(view.t('speedNone')).waitFor();
    await view.page.goBack();
    await view.page.getByText('All right.').waitFor();
  },
  { server: { info: { speculation: false } } },
);
