// Walks through the page's main states and takes pictures of them, at two widths, in both languages,
// light and dark, for people to look at. Fails where the page says that something went wrong unseen.
//   node tests/e2e/web/screenshots.mjs [FOLDER]     (artifacts/screenshots unless told)
import { mkdirSync } from 'node:fs';
import { kVariants, launch, openPage } from './harness/browser.mjs';
import {
  answered,
  answers,
  ask,
  askAndWait,
  button,
  closeSettings,
  field,
  newChat,
  openList,
  openSettings,
  questions,
  set,
  textFile,
} from './harness/chat.mjs';
import { inPieces, kRichAnswer, kRichAnswerZh } from './harness/samples.mjs';
import { startScriptedServer } from './harness/scripted_server.mjs';

const folder =
  process.argv[2] ?? new URL('../../../artifacts/screenshots', import.meta.url).pathname;
mkdirSync(folder, { recursive: true });

const kWords = {
  en: {
    solve: 'Solve x² − 5x + 6 = 0, step by step',
    depth: 'How deep is the sea off Ushant?',
    bottom: 'And what is the bottom?',
    weather: 'What is the weather in Brest?',
    place: 'Brest, France',
    code: 'What does this code do?',
    story: 'The keeper let the lead run out. Forty fathoms, he wrote, and sand. ',
  },
  zh: {
    solve: '一步一步解方程 x² − 5x + 6 = 0',
    depth: '韦桑岛外的海有多深？',
    bottom: '海底是什么底质？',
    weather: '布雷斯特的天气怎么样？',
    place: '布雷斯特',
    code: '这段代码做什么？',
    story: '守塔人放下测深锤，记下四十英寻，底质为沙。',
  },
};

const kTools = JSON.stringify([
  {
    name: 'get_weather',
    parameters: { type: 'object', properties: { place: { type: 'string' } } },
  },
]);

const kUsage = {
  prompt_tokens: 1312,
  prompt_cache_hit_tokens: 1280,
  prompt_cache_miss_tokens: 32,
  completion_tokens: 412,
  completion_tokens_details: { accepted_prediction_tokens: 180, rejected_prediction_tokens: 32 },
};

/** The answer in pieces, some milliseconds apart, so that there is a speed to show. */
const richPieces = ({ language }) =>
  inPieces(language === 'zh' ? kRichAnswerZh : kRichAnswer, 16).flatMap((piece) => [
    piece,
    { wait: 3 },
  ]);

/** A piece at which an answer waits until `go` is called. */
function pause() {
  let go;
  const hold = new Promise((resolve) => (go = resolve));
  return { hold, go };
}

async function start(view, take) {
  const { page, t } = view;
  await take('empty');
  await openSettings(view);
  await take('settings_model');
  await page.getByRole('tab', { name: t('tabPage') }).click();
  await take('settings_page');
  await closeSettings(view);
  await page.keyboard.press('Control+/');
  await page.getByRole('dialog', { name: t('shortcuts') }).waitFor();
  await take('keys');
  await page.keyboard.press('Escape');
  await page
    .locator('.composer input[type=file]')
    .setInputFiles([
      textFile('gate.cc', 'int main() {}\n'.repeat(60)),
      textFile('notes.md', '# Notes\n'.repeat(20)),
      { name: 'chart.png', mimeType: 'image/png', buffer: Buffer.from([137, 80, 78, 71]) },
    ]);
  await field(view).fill(view.words.code);
  await page
    .getByText(t('draftTokens', { n: '|' }).split('|')[0])
    .first()
    .waitFor();
  await take('files');
}

async function answer(view, take, server) {
  const pieces = richPieces(view);
  const { hold, go } = pause();
  pieces.splice(pieces.length * 0.8, 0, { hold });
  server.answer({ pieces: [{ wait: 120 }, ...pieces], usage: kUsage });
  await newChat(view);
  await ask(view, view.words.solve);
  await answers(view).locator('.katex').first().waitFor();
  await answers(view).locator('.hljs-keyword').first().waitFor();
  await take('writing');
  go();
  await answered(view);
  await answers(view).locator('.hljs-comment').waitFor();
  await take('answer');
  await view.page.locator('.thread').evaluate((box) => (box.scrollTop = 0));
  await button(view, 'toLatest').waitFor();
  await take('answer_top');
}

async function waitAndFail(view, take, server) {
  const { t, words } = view;
  const { hold, go } = pause();
  server.answer({ pieces: [{ keepAlive: true }, { hold }, 'Thirty fathoms.'] });
  await newChat(view);
  await ask(view, words.depth);
  const queued = t('queued', { n: '|' }).split('|')[0];
  await answers(view).getByRole('status').getByText(queued).waitFor();
  await take('queued');
  go();
  await answered(view);
  await button(view, 'regenerate').click();
  await answers(view).getByText('All right.').waitFor();
  await answered(view);
  await questions(view)
    .getByRole('button', { name: t('edit') })
    .click();
  await take('edit');
  await view.page.keyboard.press('Escape');
  server.answer({ status: 402, message: 'Insufficient Balance' });
  await ask(view, words.bottom);
  await view.page.getByRole('alert').waitFor();
  await take('error');
}

async function callFunction(view, take, server) {
  await newChat(view);
  const dialog = await openSettings(view);
  await set(dialog, view.t('functions'), kTools);
  await closeSettings(view);
  const call = { name: 'get_weather', arguments: JSON.stringify({ place: view.words.place }) };
  server.answer({
    pieces: [{ toolCalls: [{ index: 0, id: 'c1', type: 'function', function: call }] }],
    finish: 'tool_calls',
  });
  await askAndWait(view, view.words.weather);
  await take('tool_call');
  await openList(view);
  await take('list');
}

async function compareSpeeds(view, take, server) {
  const { page, t, words } = view;
  if (view.size === 'phone') await page.keyboard.press('Escape');
  const story = inPieces(words.story.repeat(3), 4);
  const timed = (ms) => ({ pieces: story.flatMap((piece) => [piece, { wait: ms }]) });
  server.answer(timed(10), timed(4));
  await page.evaluate(() => (location.hash = '#speed'));
  await button(view, 'speedRun').click();
  await page.getByText(t('speedSame')).waitFor();
  await take('speed');
}

const browser = await launch();
let wrong = 0;

async function walk(variant) {
  const server = await startScriptedServer();
  const view = await openPage(browser, server.url, variant);
  view.words = kWords[variant.language];
  const width = view.page.viewportSize().width;
  const take = async (state) => {
    for (const colorScheme of ['light', 'dark']) {
      await view.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      const path = `${folder}/${state}-${width}-${colorScheme}-${variant.language}.png`;
      await view.page.screenshot({ path, animations: 'disabled' });
    }
  };
  for (const part of [start, answer, waitAndFail, callFunction, compareSpeeds])
    await part(view, take, server);
  await view.context.close();
  server.close();
  for (const problem of view.problems) {
    console.error(`${variant.size}, ${variant.language}: ${problem}`);
    wrong++;
  }
}

// Two at a time.
for (const pair of [kVariants.slice(0, 2), kVariants.slice(2)]) await Promise.all(pair.map(walk));
await browser.close();
process.exit(wrong > 0 ? 1 : 0);
