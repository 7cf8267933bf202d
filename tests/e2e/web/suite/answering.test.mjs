// Stop, continue, answer again, edit, and the way between branches.
import assert from 'node:assert/strict';
import {
  answered,
  answers,
  ask,
  askAndWait,
  button,
  field,
  figures,
  questions,
} from '../harness/chat.mjs';
import { eventually, everywhere, once } from '../harness/suite.mjs';

const forever = { hold: new Promise(() => {}) };
const textOf = async (answer) => (await answer.locator('.markdown').textContent()).trim();

everywhere('an answer can be stopped and continued', async (view, server) => {
  server.answer({ pieces: ['Thirty ', 'fathoms', forever] }, { pieces: [', sand', ' and shell.'] });
  await ask(view, 'How deep?');
  await answers(view).getByText('Thirty fathoms').waitFor();
  await button(view, 'stop').click();
  const answer = await answered(view);
  await answer.getByText(view.t('stoppedNote')).waitFor();
  await eventually(() => assert.equal(server.broken(), 1));

  await answer.getByRole('button', { name: view.t('continue') }).click();
  await figures(view).waitFor();
  assert.equal(await textOf(answer), 'Thirty fathoms, sand and shell.');
  const request = server.requests[1];
  assert.equal(request.path, '/beta/chat/completions');
  assert.deepEqual(request.messages.at(-1), {
    role: 'assistant',
    content: 'Thirty fathoms',
    prefix: true,
  });
  assert.equal(await answers(view).count(), 1);
});

everywhere(
  'asking again and editing make branches, with a way between them',
  async (view, server) => {
    const { t } = view;
    server.answer({ pieces: ['First.'] }, { pieces: ['Second.'] }, { pieces: ['Third.'] });
    await askAndWait(view, 'How deep?');
    await button(view, 'regenerate').click();
    await answers(view).getByText('Second.').waitFor();
    await answered(view);

    // Two versions of the answer; the first comes back.
    const versions = (n, total) =>
      view.page.getByRole('group', { name: t('versionOf', { n, total }) });
    await versions(2, 2)
      .getByRole('button', { name: t('previousVersion') })
      .click();
    await answers(view).getByText('First.').waitFor();
    assert.ok(
      await versions(1, 2)
        .getByRole('button', { name: t('previousVersion') })
        .isDisabled(),
    );

    // An edited question is a branch of its own, without the answers to the first wording.
    await questions(view)
      .getByRole('button', { name: t('edit') })
      .click();
    await view.page.getByLabel(t('editLabel')).fill('How deep, in metres?');
    await button(view, 'sendEdited').click();
    await answers(view).getByText('Third.').waitFor();
    await answered(view);
    assert.deepEqual(server.requests[2].messages, [
      { role: 'user', content: 'How deep, in metres?' },
    ]);
    assert.equal(await questions(view).count(), 1);

    await questions(view)
      .getByRole('button', { name: t('previousVersion') })
      .click();
    await questions(view).getByText('How deep?', { exact: true }).waitFor();
    assert.equal(await textOf(answers(view)), 'First.');

    // Which branch is on show outlives the page.
    await view.page.reload();
    await answered(view);
    assert.equal(await textOf(answers(view)), 'First.');
    await versions(1, 2).first().waitFor();
  },
);

once('a second question carries the branch on show, and no other', async (view, server) => {
  server.answer({ pieces: ['One.'] }, { pieces: ['Two.'] }, { pieces: ['Three.'] });
  await askAndWait(view, 'First?');
  await button(view, 'regenerate').click();
  await answers(view).getByText('Two.').waitFor();
  await answered(view);
  await askAndWait(view, 'Second?', 2);
  assert.deepEqual(server.requests[2].messages, [
    { role: 'user', content: 'First?' },
    { role: 'assistant', content: 'Two.' },
    { role: 'user', content: 'Second?' },
  ]);
  assert.equal(await answers(view).count(), 2);
});

once('an answer that reached its length limit says so and can go on', async (view, server) => {
  server.answer({ pieces: ['One, two'], finish: 'length' }, { pieces: [', three.'] });
  const answer = await askAndWait(view, 'Count');
  await answer.getByText(view.t('lengthNote')).waitFor();
  await answer.getByRole('button', { name: view.t('continue') }).click();
  await answer.getByText('One, two, three.').waitFor();
  await answered(view);
  assert.equal(await answer.getByText(view.t('lengthNote')).count(), 0);
});

once(
  'while an answer is written nothing else can be sent, and the draft waits',
  async (view, server) => {
    let goOn;
    server.answer({
      pieces: ['One', { hold: new Promise((resolve) => (goOn = resolve)) }, ' two.'],
    });
    await ask(view, 'Count');
    await answers(view).getByText('One').waitFor();
    await field(view).fill('And then?');
    await view.page.keyboard.press('Enter');
    assert.equal(server.requests.length, 1);
    assert.ok(
      await questions(view)
        .getByRole('button', { name: view.t('edit') })
        .isDisabled(),
    );
    goOn();
    await answered(view);
    assert.equal(await field(view).inputValue(), 'And then?');
  },
);

once('one answer at a time, whatever is pressed', async (view, server) => {
  let goOn;
  const hold = new Promise((resolve) => (goOn = resolve));
  server.answer({ pieces: ['One.'] }, { pieces: ['Two', { hold }, ' three.'] });
  await askAndWait(view, 'Count');
  await questions(view)
    .getByRole('button', { name: view.t('edit') })
    .click();
  // Twice before the page can grey the button out.
  await button(view, 'regenerate').evaluate((again) => [again.click(), again.click()]);
  await answers(view).getByText('Two').waitFor();
  const edited = view.page.getByLabel(view.t('editLabel'));
  await edited.fill('Count in French');
  await edited.press('Control+Enter');
  assert.ok(await edited.isVisible());
  goOn();
  await answers(view).getByText('Two three.').waitFor();
  await answered(view);
  assert.equal(server.requests.length, 2);

  await edited.press('Control+Enter');
  await answers(view).getByText('All right.').waitFor();
  assert.equal(server.requests.length, 3);
});

once('an answer goes on while another conversation is open', async (view, server) => {
  let goOn;
  server.answer({ pieces: ['One', { hold: new Promise((resolve) => (goOn = resolve)) }, ' two.'] });
  await ask(view, 'Count');
  await answers(view).getByText('One').waitFor();
  await view.page.keyboard.press('Control+Shift+O');
  await askAndWait(view, 'Another');
  await view.page
    .getByRole('navigation')
    .getByRole('img', { name: view.t('answering') })
    .waitFor();
  goOn();
  await view.page.getByRole('link', { name: 'Count' }).click();
  await answers(view).getByText('One two.').waitFor();
  await answered(view);
});

once(
  'an answer that the page was closed on is shown as stopped, with what had come',
  async (view, server) => {
    server.answer({ pieces: ['Half an', { wait: 1200 }, ' answer', forever] });
    await ask(view, 'Go');
    await answers(view).getByText('Half an answer').waitFor();
    await view.page.reload();
    const answer = await answered(view);
    await answer.getByText(view.t('stoppedNote')).waitFor();
    assert.match(await textOf(answer), /^Half an/);
  },
);
