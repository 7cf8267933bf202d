// Answers as Markdown: what they look like when whole, and that they stay still while they grow.
import assert from 'node:assert/strict';
import { answered, answers, ask, askAndWait, button } from '../harness/chat.mjs';
import { inPieces, kRichAnswer } from '../harness/samples.mjs';
import { eventually, everywhere, once } from '../harness/suite.mjs';

everywhere('a streamed answer shows tables, code with copy, and formulas', async (view, server) => {
  server.answer({ pieces: inPieces(kRichAnswer) });
  const answer = await askAndWait(view, 'Solve it');

  assert.equal(await answer.getByRole('heading', { name: 'Step by step' }).count(), 1);
  assert.deepEqual(await answer.getByRole('columnheader').allTextContents(), [
    'method',
    'steps',
    'works when',
  ]);
  assert.equal(
    await answer.getByRole('cell', { name: '5', exact: true }).getAttribute('class'),
    'align-right',
  );

  const code = answer.locator('.code');
  assert.equal(await code.count(), 1);
  await code.locator('.hljs-keyword', { hasText: 'import' }).first().waitFor();
  await code.getByRole('button', { name: view.t('copyCode') }).click();
  await eventually(async () => {
    const copied = await view.page.evaluate(() => navigator.clipboard.readText());
    assert.equal(copied, kRichAnswer.split('```')[1].replace('python\n', ''));
  });
  assert.equal(await code.getByRole('button').textContent(), view.t('copied'));

  await answer.locator('.katex').first().waitFor();
  const formulas = await answer.locator('.katex annotation').allTextContents();
  assert.ok(formulas.includes('x^2 - 5x + 6 = (x - 2)(x - 3) = 0'), formulas.join(' | '));
  assert.equal(await answer.locator('.katex-display').count(), 1);
  assert.equal(await answer.locator('.tex-error').count(), 0);
});

/** The answer's HTML without what comes later from elsewhere: colours, and the parts code is kept in. */
const shapeOf = (answer) =>
  answer.locator('.markdown').evaluate((root) => {
    const copy = root.cloneNode(true);
    for (const code of copy.querySelectorAll('code')) code.textContent = code.textContent;
    return copy.innerHTML;
  });

const kTricky = `Setext
===

- one
- two

  a paragraph of two
- three

1. first
   \`\`\`js
   const inList = 1;
   \`\`\`
2. second with $a_1$

text with [a reference][ref] and ~~struck~~ and https://example.org/bare

| a | b |
|---|:-:|
| \`x|y\` | $\\frac{1}{2}$ |

\\[ \\sum_i x_i \\]

It costs $5 and $6, not math.

[ref]: https://example.org "late"
`;

for (const size of [1, 3, 17]) {
  once(
    `an answer that came ${size} characters at a time is the one that is shown whole`,
    async (view, server) => {
      server.answer({ pieces: inPieces(kTricky + kRichAnswer, size) });
      const grown = await askAndWait(view, 'Write');
      await eventually(async () => assert.ok((await grown.locator('.katex').count()) >= 9));
      const shape = await shapeOf(grown);
      await view.page.reload();
      const whole = await answered(view);
      await eventually(async () => assert.equal(await shapeOf(whole), shape));
      assert.equal(await whole.locator('.tex-error').count(), 0);
      assert.equal(await whole.getByText('It costs $5 and $6, not math.').count(), 1);
      assert.equal(
        await whole.getByRole('link', { name: 'a reference' }).getAttribute('href'),
        'https://example.org',
      );
    },
  );
}

once('what is written already stays as it is while the answer grows', async (view, server) => {
  let goOn;
  const hold = new Promise((resolve) => (goOn = resolve));
  const [head, tail] = [kRichAnswer.slice(0, 420), kRichAnswer.slice(420)];
  server.answer({
    pieces: [...inPieces(head), { hold }, ...inPieces(tail).flatMap((p) => [p, { wait: 2 }])],
  });
  await ask(view, 'Solve it');
  const answer = answers(view).first();
  await answer.locator('.katex-display').waitFor();

  // A reader has selected a word, and every element of the first blocks is marked.
  await answer.locator('.markdown').evaluate((root) => {
    getSelection().selectAllChildren(root.querySelector('strong'));
    for (const node of root.querySelectorAll('h2, strong, .katex-display, li')) node.marked = true;
    window.removed = 0;
    new MutationObserver((changes) => {
      for (const change of changes)
        for (const node of change.removedNodes) if (node.marked) window.removed++;
    }).observe(root, { childList: true, subtree: true });
  });
  goOn();
  await answered(view);
  const after = await answer.locator('.markdown').evaluate((root) => ({
    selected: String(getSelection()),
    kept: [...root.querySelectorAll('h2, strong, .katex-display')].every((node) => node.marked),
    removed: window.removed,
  }));
  assert.deepEqual(after, { selected: 'factors', kept: true, removed: 0 });
});

once(
  'an answer that is cut in the middle of its Markdown shows what there is',
  async (view, server) => {
    const texts = [
      '```py\nx = 1',
      '| a | b |\n|--',
      'a **bold',
      '$$x^2',
      '[link](https://exa',
      '1. one\n2',
    ];
    for (const [index, text] of texts.entries()) {
      server.answer({ pieces: inPieces(text, 2) });
      const answer = await askAndWait(view, 'Write', index + 1);
      assert.notEqual((await answer.locator('.markdown').textContent()).trim(), '');
    }
    assert.equal(await answers(view).first().locator('.code code').textContent(), 'x = 1');
  },
);

once('code in a language nobody knows stays plain, long code is whole', async (view, server) => {
  const long = Array.from(
    { length: 400 },
    (_, i) => `let line${i} = "${i}"; // ${'·'.repeat(i % 7)}`,
  ).join('\n');
  server.answer({ pieces: [`\`\`\`fathomese\nlet x\n\`\`\`\n\n\`\`\`js\n${long}\n\`\`\`\n`] });
  const answer = await askAndWait(view, 'Code');
  const [plain, coloured] = await answer.locator('.code code').all();
  assert.equal(await plain.textContent(), 'let x\n');
  assert.equal(await plain.locator('[class^=hljs]').count(), 0);
  await eventually(async () => assert.ok((await coloured.locator('.hljs-comment').count()) >= 399));
  assert.equal(await coloured.textContent(), `${long}\n`);
});

once('an answer can be copied as it was written', async (view, server) => {
  server.answer({ pieces: inPieces(kRichAnswer) });
  const answer = await askAndWait(view, 'Solve it');
  await answer
    .locator('.foot')
    .getByRole('button', { name: view.t('copy'), exact: true })
    .click();
  await button(view, 'copied').waitFor();
  assert.equal(await view.page.evaluate(() => navigator.clipboard.readText()), kRichAnswer);
});
