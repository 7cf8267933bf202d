// Streaming, stop, continue, answering again, branches, the notice while queued, and the keyboard.
import assert from 'node:assert/strict';
import {
  answered,
  answers,
  ask,
  askAndWait,
  button,
  field,
  figures,
  newChat,
  questions,
} from '../harness/chat.mjs';
import { eventually } from '../harness/suite.mjs';
import { answerText, figure, kEndless, kRepeat, setParams } from './visit.mjs';

/** Bytes a second; a token's event takes some 300. */
const kSlowLine = 20_000;

/** Waits until the last answer has been seen at several lengths: until it grows. */
async function seeGrowing({ page }) {
  await page.evaluate(() => {
    window.lengths = new Set();
  });
  await page.waitForFunction(() => {
    const last = [...document.querySelectorAll('.answer[aria-busy=true] .markdown')].at(-1);
    if (last) window.lengths.add(last.textContent.length);
    return window.lengths.size > 3;
  });
}

/**
 * Runs `use` as over a slow line: what the server wrote takes a minute to arrive, however fast it is,
 * and there is time to do something meanwhile.
 */
async function onSlowLine({ context, page }, use) {
  const session = await context.newCDPSession(page);
  const line = (downloadThroughput) =>
    session.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: 0,
      downloadThroughput,
      uploadThroughput: -1,
    });
  await line(kSlowLine);
  await use();
  await line(-1);
  await session.detach();
}

/** Keeps the server at work with answers to others until the signal says stop. */
function occupy({ server, key }, signal) {
  const body = { ...kEndless, model: 'deepseek-chat', stream: true };
  body.messages = [{ role: 'user', content: kRepeat }];
  const customer = async () => {
    while (!signal.aborted) {
      const response = await server.post('/chat/completions', key, body, signal);
      await response.text();
    }
  };
  return Promise.allSettled([customer(), customer(), customer()]);
}

export const answerSteps = {
  async 'an answer is shown while it grows, and stopped'(view) {
    await newChat(view);
    await setParams(view, {
      temperature: '0',
      frequencyPenalty: '-2',
      maxTokens: String(kEndless.max_tokens),
    });
    await onSlowLine(view, async () => {
      await ask(view, kRepeat);
      await seeGrowing(view);
      await button(view, 'stop').click();
      await answered(view);
    });
    await answers(view).getByText(view.t('stoppedNote')).waitFor();
  },

  async 'what was stopped goes on from where it was'(view) {
    const answer = answers(view).first();
    const start = await answerText(answer);
    await setParams(view, { maxTokens: '8' });
    await answer.getByRole('button', { name: view.t('continue') }).click();
    await figures(view).waitFor();
    assert.ok((await answerText(answer)).startsWith(start));
    assert.equal(await answer.getByText(view.t('stoppedNote')).count(), 0);
  },

  async 'another wording is a branch, cut at its length limit, and goes on'(view) {
    const { page, t } = view;
    await questions(view)
      .getByRole('button', { name: t('edit') })
      .click();
    await page.getByLabel(t('editLabel')).fill(`${kRepeat} 7`);
    await button(view, 'sendEdited').click();
    await questions(view).getByText(`${kRepeat} 7`).waitFor();
    const answer = await answered(view);
    await answer.getByText(t('lengthNote')).waitFor();
    assert.equal(await figure(view, answer, 'statOut'), 8);
    const start = await answerText(answer);
    await answer.getByRole('button', { name: t('continue') }).click();
    await eventually(async () => assert.ok((await figure(view, answer, 'statOut')) > 8));
    assert.ok((await answerText(answer)).startsWith(start));
  },

  async 'answering again makes a version beside it, and there is a way between them'(view) {
    const { page, t } = view;
    const versions = (n) => page.getByRole('group', { name: t('versionOf', { n, total: 2 }) });
    await button(view, 'regenerate').click();
    const again = answers(view).getByRole('group', { name: t('versionOf', { n: 2, total: 2 }) });
    await again.waitFor();
    await answered(view);
    await again.getByRole('button', { name: t('previousVersion') }).click();
    await answers(view)
      .getByRole('group', { name: t('versionOf', { n: 1, total: 2 }) })
      .waitFor();
    await questions(view)
      .getByRole('button', { name: t('previousVersion') })
      .click();
    await questions(view).getByText(kRepeat, { exact: true }).waitFor();
    assert.equal(await versions(1).count(), 1);
  },

  async 'a second turn finds the first in the context cache'(view) {
    await newChat(view);
    await setParams(view, { maxTokens: '8', temperature: '0' });
    const story = 'The keeper let the lead run out and wrote the depth down. '.repeat(12);
    await askAndWait(view, `Go on with this story. ${story}`);
    const answer = await askAndWait(view, 'And then?', 2);
    await figures(view).nth(1).waitFor();
    assert.ok((await figure(view, answer, 'statHits')) >= 64);
  },

  async 'a notice while queued; Enter sends and Escape stops'(view, visit) {
    const { page, t } = view;
    await newChat(view);
    await setParams(view, {
      frequencyPenalty: '-2',
      temperature: '0',
      maxTokens: String(kEndless.max_tokens),
    });
    const others = new AbortController();
    const busy = occupy(visit, others.signal);
    const notice = t('queued', { n: '|' }).split('|')[0];
    await onSlowLine(view, async () => {
      await field(view).fill(kRepeat);
      // On a phone Enter is a new line.
      if (view.size === 'desktop') await page.keyboard.press('Enter');
      else await button(view, 'send').click();
      await answers(view).getByRole('status').getByText(notice).waitFor();
      others.abort();
      await busy;
      await seeGrowing(view);
      await page.keyboard.press('Escape');
      await answered(view);
    });
    await answers(view).getByText(t('stoppedNote')).waitFor();
  },
};
