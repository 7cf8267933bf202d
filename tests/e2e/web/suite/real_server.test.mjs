// A visit to `fathom serve` itself, as built, with the model that it has by default: everything that
// the page offers, step by step on one page. Nothing here depends on what the model knows.
import { after, before, test } from 'node:test';
import { kTwoVariants, kVariants } from '../harness/browser.mjs';
import { RealServer } from '../harness/real_server.mjs';
import { onPage } from '../harness/suite.mjs';
import { accountSteps, checkBalance, kPaid } from '../real/account.mjs';
import { answerSteps } from '../real/answers.mjs';
import { conversationSteps } from '../real/conversations.mjs';
import { settingSteps } from '../real/settings.mjs';
import { restart } from '../real/restart.mjs';
import { speedSteps } from '../real/speed.mjs';

const kSteps = {
  ...accountSteps,
  ...answerSteps,
  ...settingSteps,
  ...conversationSteps,
  ...speedSteps,
  'what was used is paid for': checkBalance,
};

let server;
before(async () => {
  server = new RealServer();
  await server.start();
});
after(() => server?.close());

async function visitServer(variant, t) {
  const name = `${variant.size}-${variant.language}`;
  const visit = { server, name, key: server.customer(name, kPaid) };
  visit.emptyKey = server.customer(`${name}-empty`);
  await onPage(server.url, { name: 'fathom serve', ...variant }, async (view) => {
    for (const [step, run] of Object.entries(kSteps)) {
      const started = performance.now();
      try {
        await run(view, visit);
      } catch (error) {
        error.message = `${step}: ${error.message}`;
        throw error;
      }
      t.diagnostic(`${step}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
    }
  });
}

test('fathom serve', { concurrency: 2, timeout: 900_000 }, (t) =>
  Promise.all(
    kVariants.map((variant) =>
      t.test(`${variant.size}, ${variant.language}`, (visit) => visitServer(variant, visit)),
    ),
  ),
);

test('fathom serve, stopped and started in the middle of a conversation', async (t) => {
  const restarted = new RealServer();
  await restarted.start();
  try {
    const key = restarted.customer('ann', kPaid);
    for (const variant of kTwoVariants) {
      const name = `${variant.size}-${variant.language}`;
      await t.test(name, { timeout: 120_000 }, () =>
        onPage(restarted.url, { name: 'restart', ...variant }, (view) =>
          restart(view, { server: restarted, key, name }),
        ),
      );
    }
  } finally {
    await restarted.close();
  }
});
