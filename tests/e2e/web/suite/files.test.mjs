// Files by button, drop and paste: counted before they are sent, refused where they cannot be read.
import assert from 'node:assert/strict';
import {
  answered,
  answers,
  askAndWait,
  button,
  field,
  questions,
  textFile,
} from '../harness/chat.mjs';
import { eventually, everywhere, once } from '../harness/suite.mjs';

const kCode = 'int main() { return 0; }\n'.repeat(20);
const picker = ({ page }) => page.locator('.composer input[type=file]');
const chips = ({ page }) => page.locator('.composer li');

/** A paste or a drop with files, as the browser would make it. */
const give = (locator, type, files) =>
  locator.evaluate(
    (target, [event, list]) => {
      const data = new DataTransfer();
      for (const [name, text] of list)
        data.items.add(new File([text], name, { type: 'text/plain' }));
      const options = { bubbles: true, cancelable: true };
      if (event === 'paste')
        target.dispatchEvent(new ClipboardEvent('paste', { ...options, clipboardData: data }));
      else {
        target.dispatchEvent(new DragEvent('dragover', { ...options, dataTransfer: data }));
        target.dispatchEvent(new DragEvent('drop', { ...options, dataTransfer: data }));
      }
    },
    [type, files],
  );

everywhere(
  'files by button, drop and paste are counted, and sent before the question',
  async (view, server) => {
    const { t } = view;
    await picker(view).setInputFiles(textFile('gate.cc', kCode));
    await chips(view)
      .getByText(t('tokens', { n: String(kCode.length / 4) }))
      .waitFor();
    await give(field(view), 'drop', [['notes.md', '# Notes']]);
    await chips(view).getByText('notes.md').waitFor();
    await give(field(view), 'paste', [['log.txt', 'a line']]);
    await chips(view).getByText('log.txt').waitFor();
    await chips(view)
      .getByText(t('tokens', { n: '2' }))
      .first()
      .waitFor();
    for (const text of [kCode, '# Notes', 'a line']) assert.ok(server.tokenized.includes(text));

    // The whole draft is counted as it will be sent.
    await button(view, 'removeFile', { name: 'log.txt' }).click();
    await field(view).fill('What is this?');
    const sent = `[file name]: gate.cc\n[file content begin]\n${kCode}\n[file content end]\n[file name]: notes.md\n[file content begin]\n# Notes\n[file content end]\nWhat is this?`;
    await view.page
      .getByText(t('draftTokens', { n: String(Math.ceil(sent.length / 4)) }))
      .waitFor();
    await button(view, 'send').click();
    await answered(view);
    assert.deepEqual(server.requests[0].messages, [{ role: 'user', content: sent }]);
    assert.deepEqual(
      (await questions(view).locator('li .name').allTextContents()).map((s) => s.trim()),
      ['gate.cc', 'notes.md'],
    );
    assert.equal(await chips(view).count(), 0);
  },
);

everywhere('images and what is no text are refused with the reason', async (view) => {
  const { page, t } = view;
  const image = (name, mimeType = '') => ({ name, mimeType, buffer: Buffer.from([1, 2, 3]) });
  await picker(view).setInputFiles([
    image('chart.png', 'image/png'),
    image('photo.HEIC'),
    { name: 'program', mimeType: '', buffer: Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 0]) },
    { name: 'latin1.txt', mimeType: 'text/plain', buffer: Buffer.from([0x63, 0x61, 0x66, 0xe9]) },
    { name: 'nothing.txt', mimeType: 'text/plain', buffer: Buffer.alloc(0) },
    textFile('fine.txt', 'fine'),
  ]);
  await chips(view).getByText('fine.txt').waitFor();
  const said = (await page.getByRole('alert').allTextContents()).map((s) => s.trim());
  assert.deepEqual(said, [
    t('fileImage', { name: 'chart.png' }),
    t('fileImage', { name: 'photo.HEIC' }),
    t('fileBinary', { name: 'program' }),
    t('fileEncoding', { name: 'latin1.txt' }),
    t('fileEmpty', { name: 'nothing.txt' }),
  ]);
  assert.equal(await chips(view).count(), 1);
  await page
    .getByRole('alert')
    .first()
    .getByRole('button', { name: t('close') })
    .click();
  assert.equal(await page.getByRole('alert').count(), 4);
});

once('a long paste becomes a file, a short one stays text', async (view, server) => {
  const paste = (text) =>
    field(view).evaluate((area, content) => {
      const clipboardData = new DataTransfer();
      clipboardData.setData('text/plain', content);
      return area.dispatchEvent(
        new ClipboardEvent('paste', { bubbles: true, cancelable: true, clipboardData }),
      );
    }, text);
  assert.equal(await paste('short'), true);
  assert.equal(await paste('long '.repeat(2000)), false);
  await chips(view)
    .getByText(view.t('pastedName', { n: 1 }))
    .waitFor();
  await askAndWait(view, 'Sum up');
  assert.match(server.requests[0].messages[0].content, /^\[file name\]: pasted-1\.txt\n/);
});

once('a file larger than the limit is refused', async (view) => {
  await picker(view).setInputFiles(textFile('big.log', 'x'.repeat((4 << 20) + 1)));
  await view.page
    .getByRole('alert')
    .getByText(view.t('fileTooBig', { name: 'big.log', size: '4 MB' }))
    .waitFor();
});

once('the draft is counted while it is typed, and waits in its own conversation', async (view) => {
  const { page, t } = view;
  await field(view).fill('x'.repeat(400));
  await page.getByText(t('draftTokens', { n: '100' })).waitFor();
  await askAndWait(view, 'First');
  await field(view).fill('begun');
  await page.keyboard.press('Control+Shift+O');
  await eventually(async () => assert.equal(await field(view).inputValue(), ''));
  await page.getByRole('link', { name: 'First' }).click();
  await answers(view).waitFor();
  await eventually(async () => assert.equal(await field(view).inputValue(), 'begun'));
});
