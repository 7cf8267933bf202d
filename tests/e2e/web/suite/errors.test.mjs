// What the page says where something goes wrong, and the way on from there.
import assert from 'node:assert/strict';
import { answered, answers, ask, askAndWait, button } from '../harness/chat.mjs';
import { eventually, everywhere, once } from '../harness/suite.mjs';

const kErrors = [
  [400, 'errorRequest', 'openSettings'],
  [401, 'errorKey', 'enterKey'],
  [402, 'errorBalance', 'balance'],
  [422, 'errorRequest', 'openSettings'],
  [429, 'errorBusy', undefined],
  [500, 'errorServer', undefined],
  [503, 'errorBusy', undefined],
];

everywhere(
  'each of the API’s errors is explained where it happens, with retry',
  async (view, server) => {
    const { page, t } = view;
    const alert = page.getByRole('alert');
    server.answer(...kErrors.map(([status]) => ({ status, message: `It is ${status}` })), {
      pieces: ['At last.'],
    });
    await ask(view, 'How deep?');
    for (const [status, what, action] of kErrors) {
      await alert.getByText(`${status}: It is ${status}`).waitFor();
      await alert.getByText(t(what), { exact: true }).waitFor();
      if (action)
        assert.equal(await alert.getByRole('button', { name: t(action), exact: true }).count(), 1);
      await alert.getByRole('button', { name: t('retry') }).click();
    }
    await answers(view).getByText('At last.').waitFor();
    await answered(view);
    assert.equal(await alert.count(), 0);
    // Nothing of the failures is left: one question, one answer, and every request the same.
    assert.equal(await page.getByRole('group').count(), 0);
    for (const request of server.requests)
      assert.deepEqual(request.messages, server.requests[0].messages);
  },
);

everywhere('a broken connection keeps what had come and can go on', async (view, server) => {
  let cut;
  const hold = new Promise((resolve) => (cut = resolve));
  server.answer({ pieces: ['Half ', 'of ', { hold }, { cut: true }] }, { pieces: ['it.'] });
  await ask(view, 'Go');
  await answers(view).getByText('Half of').waitFor();
  cut();
  const alert = view.page.getByRole('alert');
  await alert.getByText(view.t('errorCut')).waitFor();
  assert.equal((await answers(view).locator('.markdown').textContent()).trim(), 'Half of');
  await button(view, 'continue').click();
  await answers(view).getByText('Half of it.').waitFor();
  await answered(view);
  assert.equal(await alert.count(), 0);
});

everywhere('a notice while queued', async (view, server) => {
  let goOn;
  server.answer({
    pieces: [{ keepAlive: true }, { hold: new Promise((resolve) => (goOn = resolve)) }, 'Now.'],
  });
  await ask(view, 'Go');
  const start = view.t('queued', { n: '|' }).split('|')[0];
  await answers(view).getByRole('status').getByText(start).waitFor();
  goOn();
  await answers(view).getByText('Now.').waitFor();
  await answered(view);
  assert.equal(await answers(view).getByRole('status').count(), 0);
});

once('before the first token the page says that it waits', async (view, server) => {
  server.answer({ pieces: [{ wait: 400 }, 'Now.'] });
  await ask(view, 'Go');
  await answers(view).getByText(view.t('thinking')).waitFor();
  await answered(view);
});

once('an error in the middle of a stream', async (view, server) => {
  server.answer({
    pieces: [
      'Half',
      { error: { message: 'The engine stopped.', type: 'server_error', code: '500' } },
    ],
  });
  await ask(view, 'Go');
  const alert = view.page.getByRole('alert');
  await alert.getByText('500: The engine stopped.').waitFor();
  await alert.getByText(view.t('errorServer')).waitFor();
  // What had come stays beside the new answer.
  server.answer({ pieces: ['Whole.'] });
  await alert.getByRole('button', { name: view.t('retry') }).click();
  await answers(view).getByText('Whole.').waitFor();
  await answered(view);
  await view.page.getByRole('group', { name: view.t('versionOf', { n: 2, total: 2 }) }).waitFor();
});

once('a server that is gone, and comes back', async (view) => {
  await view.context.setOffline(true);
  await ask(view, 'Go');
  const alert = view.page.getByRole('alert');
  await alert.getByText(view.t('errorNetwork')).waitFor();
  await view.context.setOffline(false);
  await alert.getByRole('button', { name: view.t('retry') }).click();
  await answers(view).getByText('All right.').waitFor();
  await answered(view);
});

once('an answer cut by the filter or for lack of resources says so', async (view, server) => {
  server.answer(
    { pieces: ['A'], finish: 'content_filter' },
    { pieces: ['B'], finish: 'insufficient_system_resource' },
  );
  await (await askAndWait(view, 'Go', 1)).getByText(view.t('filteredNote')).waitFor();
  await (await askAndWait(view, 'Go', 2)).getByText(view.t('resourceNote')).waitFor();
  await eventually(async () => assert.equal(await view.page.getByRole('alert').count(), 0));
});
