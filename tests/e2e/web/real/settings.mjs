// What the settings ask of the server, and that it takes each of them.
import assert from 'node:assert/strict';
import {
  answered,
  answers,
  askAndWait,
  button,
  closeSettings,
  field,
  figures,
  newChat,
  openSettings,
  set,
  textFile,
} from '../harness/chat.mjs';
import { wordsOf } from '../harness/browser.mjs';
import { eventually } from '../harness/suite.mjs';
import { answerText, figure } from './visit.mjs';

const kWeather = {
  name: 'get_weather',
  description: 'Weather of a city',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string', description: 'Name of the city' } },
    required: ['city'],
  },
};

export const settingSteps = {
  async 'every sampling setting reaches the server, which takes it; and a reset'(view) {
    const { page, t } = view;
    await newChat(view);
    const dialog = await openSettings(view);
    await set(dialog, t('system'), 'You are a helpful assistant.');
    await set(dialog, t('temperature'), '0.3');
    await set(dialog, t('topP'), '0.9');
    await set(dialog, t('maxTokens'), '32');
    await set(dialog, t('frequencyPenalty'), '0.1');
    await set(dialog, t('presencePenalty'), '-0.1');
    await set(dialog, t('stopStrings'), '3\nthree');
    await closeSettings(view);
    const asked = page.waitForRequest(/chat\/completions$/);
    const answer = await askAndWait(view, 'Repeat: 1 2 3 4 5');
    const request = await asked;
    const { messages, temperature, top_p, max_tokens, stop, ...rest } = request.postDataJSON();
    assert.equal(messages[0].role, 'system');
    assert.deepEqual([temperature, top_p, max_tokens, stop], [0.3, 0.9, 32, ['3', 'three']]);
    assert.deepEqual([rest.frequency_penalty, rest.presence_penalty], [0.1, -0.1]);
    assert.equal((await request.response()).status(), 200);
    assert.doesNotMatch(await answerText(answer), /3/);
    assert.ok((await figure(view, answer, 'statOut')) <= 32);
    await openSettings(view);
    await dialog.getByRole('button', { name: t('resetDefaults') }).click();
    assert.equal(await dialog.getByLabel(t('temperature')).first().inputValue(), '');
    await closeSettings(view);
  },

  async 'JSON mode'(view) {
    const { t } = view;
    await newChat(view);
    const dialog = await openSettings(view);
    await dialog.getByRole('switch', { name: t('jsonMode') }).check();
    await set(dialog, t('maxTokens'), '64');
    await closeSettings(view);
    const answer = await askAndWait(view, 'Some json, please.');
    const text = await answer.locator('.code code').textContent();
    // The limit may fall into the middle of it.
    if ((await answer.getByText(t('lengthNote')).count()) === 0) JSON.parse(text);
    else assert.match(text, /^\s*\{/);
  },

  async 'a function: the call is shown, and its result goes back'(view) {
    const { t } = view;
    await newChat(view);
    const dialog = await openSettings(view);
    await set(dialog, t('functions'), JSON.stringify([kWeather]));
    await dialog.getByLabel(t('toolChoice')).selectOption('required');
    await closeSettings(view);
    const answer = await askAndWait(view, 'What is the weather in Bangkok?');
    const call = answer.getByRole('region', { name: t('toolCall', { name: 'get_weather' }) });
    assert.equal(typeof JSON.parse(await call.locator('code').textContent()).city, 'string');
    await openSettings(view);
    await dialog.getByLabel(t('toolChoice')).selectOption('none');
    await closeSettings(view);
    await call.getByLabel(t('toolResult')).fill('{"weather":"sunny"}');
    await answer.getByRole('button', { name: t('sendResult') }).click();
    await call.getByText('{"weather":"sunny"}').waitFor();
    const second = await answered(view, 2);
    await figures(view).nth(1).waitFor();
    assert.equal(await second.getByRole('alert').count(), 0);
  },

  async 'files are counted as the server counts, images are refused'(view, { server, key }) {
    const { page, t } = view;
    await newChat(view);
    const code = 'int main() { return 0; } // 四十英寻\n'.repeat(5);
    const count = async (text) =>
      (await (await server.post('/tokenize', key, { text })).json()).count;
    await page
      .locator('.composer input[type=file]')
      .setInputFiles([
        textFile('gate.cc', code),
        { name: 'chart.png', mimeType: 'image/png', buffer: Buffer.from([137, 80, 78, 71]) },
      ]);
    await page
      .getByRole('alert')
      .getByText(t('fileImage', { name: 'chart.png' }))
      .waitFor();
    const chip = page.locator('.composer li').filter({ hasText: 'gate.cc' });
    await chip.getByText(t('tokens', { n: String(await count(code)) })).waitFor();
    const text = 'Repeat: sand and shell';
    await field(view).fill(text);
    const sent = `[file name]: gate.cc\n[file content begin]\n${code}\n[file content end]\n${text}`;
    await page.getByText(t('draftTokens', { n: String(await count(sent)) })).waitFor();
    await button(view, 'send').click();
    const answer = await answered(view);
    await figures(view).waitFor();
    assert.ok((await figure(view, answer, 'statPrompt')) > (await count(sent)));
    assert.equal(await answers(view).getByRole('alert').count(), 0);
  },

  async 'language and theme are chosen'(view) {
    const { page, t, language } = view;
    const other = language === 'zh' ? 'en' : 'zh';
    const words = wordsOf(other);
    const dialog = await openSettings(view, 'page');
    for (const theme of ['dark', 'light']) {
      await dialog.getByLabel(t('theme')).selectOption(theme);
      await eventually(async () => {
        const scheme = await page.evaluate(
          () => getComputedStyle(document.documentElement).colorScheme,
        );
        assert.equal(scheme, theme);
      });
    }
    await dialog.getByLabel(t('language')).selectOption(other);
    const translated = page.getByRole('dialog', { name: words('settings') });
    await translated.getByLabel(words('language')).selectOption(language);
    await dialog.getByLabel(t('theme')).selectOption('system');
    await closeSettings(view);
  },
};
