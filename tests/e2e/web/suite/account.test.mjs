// The key, the balance, prices and costs; and the figures under the answers.
import assert from 'node:assert/strict';
import {
  answered,
  ask,
  askAndWait,
  button,
  closeSettings,
  figures,
  newChat,
  openSettings,
} from '../harness/chat.mjs';
import { eventually, everywhere, once } from '../harness/suite.mjs';

everywhere(
  'a server with keys: it says so, takes one, shows the balance, and it goes down',
  async (view, server) => {
    const { page, t } = view;
    await ask(view, 'How deep?');
    const alert = page.getByRole('alert');
    await alert.getByText(t('errorKey')).waitFor();
    await alert.getByRole('button', { name: t('enterKey') }).click();
    const dialog = page.getByRole('dialog', { name: t('settings') });
    await dialog.getByText(t('balanceUnknown')).waitFor();
    const key = dialog.getByLabel(t('apiKey'), { exact: true });
    assert.equal(await key.getAttribute('type'), 'password');
    await key.fill('sk-right');
    await key.blur();
    await dialog.getByText('¥110.00').waitFor();
    await dialog.getByRole('button', { name: t('showKey') }).click();
    assert.equal(await key.getAttribute('type'), 'text');
    await closeSettings(view);

    server.setBalance('109.99');
    await alert.getByRole('button', { name: t('retry') }).click();
    await answered(view);
    await figures(view).waitFor();
    await openSettings(view, 'page');
    await dialog.getByText('¥109.99').waitFor();
    server.setBalance('50.00');
    await dialog.getByRole('button', { name: t('refresh') }).click();
    await dialog.getByText('¥50.00').waitFor();

    // The key is kept.
    await page.reload();
    await answered(view);
    await openSettings(view, 'page');
    await dialog.getByText('¥50.00').waitFor();
  },
  { server: { key: 'sk-right' } },
);

everywhere(
  'prices per million tokens, with the end of what is on offer',
  async (view) => {
    const dialog = await openSettings(view, 'page');
    const table = dialog.getByRole('table');
    const rows = await table
      .getByRole('row')
      .evaluateAll((all) => all.map((row) => row.innerText.split(/\s*\t\s*/).map((s) => s.trim())));
    assert.deepEqual(rows.slice(1), [
      [view.t('priceHit'), '¥0.1', '$0.014'],
      [view.t('priceMiss'), '¥1', '$0.14'],
      [view.t('priceOutput'), '¥2', '$0.28'],
    ]);
    const until =
      view.t('priceUntil', { date: '|' }).split('|')[0] ||
      view.t('priceUntil', { date: '|' }).split('|')[1];
    await dialog.getByText(until).waitFor();
  },
  {
    server: {
      info: {
        prices: {
          CNY: {
            input_cache_hit: '0.1',
            input_cache_miss: '1',
            output: '2',
            until: '2025-02-08T16:00:00Z',
          },
          USD: {
            input_cache_hit: '0.014',
            input_cache_miss: '0.14',
            output: '0.28',
            until: '2025-02-08T16:00:00Z',
          },
        },
      },
    },
  },
);

const kUsage = {
  prompt_tokens: 2000,
  prompt_cache_hit_tokens: 1600,
  prompt_cache_miss_tokens: 400,
  completion_tokens: 500,
  completion_tokens_details: { accepted_prediction_tokens: 80, rejected_prediction_tokens: 20 },
};

everywhere(
  'under an answer: speed, first token, cache hits and misses, drafts, cost; and the context used',
  async (view, server) => {
    const { page, t } = view;
    server.answer({ pieces: [{ wait: 200 }, 'One', { wait: 300 }, ' two.'], usage: kUsage });
    await askAndWait(view, 'Count');
    const rows = await figures(view).getByRole('listitem').allTextContents();
    const [speed, first, prompt, out, drafts, cost] = rows.map((row) =>
      row.replace(/\s+/g, ' ').trim(),
    );
    assert.ok(Number(speed.replace(/[^\d.]/g, '')) > 0, speed);
    assert.match(first, /\d/);
    const n = (value) => value.toLocaleString('en-GB');
    assert.equal(
      prompt,
      `${t('statPrompt', { n: n(2000) })} (${t('statHits', { n: n(1600) })}, ${t('statMiss', { n: '400' })})`,
    );
    assert.equal(out, t('statOut', { n: '500' }));
    assert.equal(drafts, t('statAccepted', { n: '80' }));
    // 1600 × 0.5 + 400 × 2 + 500 × 8 yuan a million.
    assert.equal(cost, '¥0.0056');
    const gauge = (used) =>
      page.getByRole('img', { name: t('contextUsed', { used: n(used), total: n(65536) }) });
    await gauge(2500).waitFor();

    // An answer that is continued adds up; the context is that of its last request.
    server.answer({
      pieces: ['Three'],
      usage: { ...kUsage, completion_tokens: 10 },
      finish: 'length',
    });
    server.answer({
      pieces: [' and', ' four'],
      usage: {
        ...kUsage,
        prompt_tokens: 2010,
        prompt_cache_hit_tokens: 2010,
        prompt_cache_miss_tokens: 0,
        completion_tokens: 20,
      },
    });
    await askAndWait(view, 'On', 2);
    await button(view, 'continue').click();
    await eventually(async () => {
      const items = await figures(view).last().getByRole('listitem').allTextContents();
      assert.ok(items.map((s) => s.trim()).includes(t('statOut', { n: '30' })), items.join());
    });
    await gauge(2030).waitFor();
    await page.reload();
    await answered(view, 2);
    await gauge(2030).waitFor();
  },
);

once(
  'a server without prices or accounts shows neither',
  async (view) => {
    await askAndWait(view, 'Go');
    assert.ok(!(await figures(view).textContent()).includes('¥'));
    const dialog = await openSettings(view, 'page');
    assert.equal(await dialog.getByRole('table').count(), 0);
    await dialog.getByText(view.t('apiKeyOptional')).waitFor();
  },
  { server: { info: { prices: null } } },
);

once(
  'a message that the context cannot hold is said to be too long before it is sent',
  async (view) => {
    const { page, t } = view;
    await page.getByLabel(t('message'), { exact: true }).fill('x'.repeat(800));
    await page.getByText(t('tooLong', { n: '72' })).waitFor();
    await newChat(view);
  },
  { server: { info: { context_length: 128 } } },
);
