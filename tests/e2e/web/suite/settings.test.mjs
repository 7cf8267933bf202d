// What the settings change in the requests, and what the page shows of it.
import assert from 'node:assert/strict';
import {
  answered,
  answers,
  ask,
  askAndWait,
  button,
  closeSettings,
  field,
  listed,
  newChat,
  openListed,
  openSettings,
  set,
} from '../harness/chat.mjs';
import { eventually, everywhere, once } from '../harness/suite.mjs';

const kBare = {
  model: 'deepseek-chat',
  stream: true,
  stream_options: { include_usage: true },
  path: '/chat/completions',
};

everywhere(
  'every setting reaches the request, and a reset takes them all back',
  async (view, server) => {
    const { t } = view;
    const dialog = await openSettings(view);
    await set(dialog, t('system'), 'You are a pilot.');
    await set(dialog, t('temperature'), '0.3');
    await set(dialog, t('topP'), '0.9');
    await set(dialog, t('maxTokens'), '512');
    await set(dialog, t('frequencyPenalty'), '0.5');
    await set(dialog, t('presencePenalty'), '-0.25');
    await set(dialog, t('stopStrings'), 'END\nSTOP');
    await dialog.getByRole('switch', { name: t('jsonMode') }).check();
    await closeSettings(view);
    await askAndWait(view, 'Say json');
    assert.deepEqual(server.requests[0], {
      ...kBare,
      messages: [
        { role: 'system', content: 'You are a pilot.' },
        { role: 'user', content: 'Say json' },
      ],
      temperature: 0.3,
      top_p: 0.9,
      max_tokens: 512,
      frequency_penalty: 0.5,
      presence_penalty: -0.25,
      stop: ['END', 'STOP'],
      response_format: { type: 'json_object' },
    });

    await openSettings(view);
    await dialog.getByRole('button', { name: t('resetDefaults') }).click();
    assert.equal(await dialog.getByLabel(t('temperature')).first().inputValue(), '');
    assert.equal(await dialog.getByLabel(t('system'), { exact: true }).inputValue(), '');
    await closeSettings(view);
    await askAndWait(view, 'Again', 2);
    const { messages, ...rest } = server.requests[1];
    assert.deepEqual(rest, kBare);
    assert.equal(messages.length, 3);
  },
);

everywhere(
  'functions: the call is shown, and its result goes back to the model',
  async (view, server) => {
    const { page, t } = view;
    const tool = {
      name: 'get_weather',
      description: 'Weather',
      parameters: { type: 'object', properties: {} },
    };
    const dialog = await openSettings(view);
    await set(dialog, t('functions'), JSON.stringify([tool]));
    await dialog.getByLabel(t('toolChoice')).selectOption('required');
    await closeSettings(view);
    await page.getByText(t('functionsOn1'), { exact: true }).waitFor();

    const call = (index, id, args) => ({
      toolCalls: [
        { index, id, type: 'function', function: { name: 'get_weather', arguments: args } },
      ],
    });
    const more = (index, args) => ({ toolCalls: [{ index, function: { arguments: args } }] });
    server.answer(
      {
        pieces: [
          call(0, 'c0', '{"place":'),
          more(0, '"Brest"}'),
          call(1, 'c1', '{"place":"Ushant"}'),
        ],
        finish: 'tool_calls',
      },
      { pieces: ['Rain in both.'] },
    );
    const answer = await askAndWait(view, 'Weather?');
    assert.deepEqual(server.requests[0].tools, [{ type: 'function', function: tool }]);
    assert.equal(server.requests[0].tool_choice, 'required');

    const calls = answer.getByRole('region', { name: t('toolCall', { name: 'get_weather' }) });
    assert.equal(await calls.count(), 2);
    assert.equal(JSON.parse(await calls.first().locator('code').textContent()).place, 'Brest');
    await calls.nth(0).getByLabel(t('toolResult')).fill('{"sky":"rain"}');
    await calls.nth(1).getByLabel(t('toolResult')).fill('rain too');
    await answer.getByRole('button', { name: t('sendResults') }).click();
    await answers(view).getByText('Rain in both.').waitFor();
    await answered(view, 2);
    const [, assistant, ...results] = server.requests[1].messages;
    assert.deepEqual(
      assistant.tool_calls.map((c) => c.function.arguments),
      ['{"place":"Brest"}', '{"place":"Ushant"}'],
    );
    assert.deepEqual(results, [
      { role: 'tool', content: '{"sky":"rain"}', tool_call_id: 'c0' },
      { role: 'tool', content: 'rain too', tool_call_id: 'c1' },
    ]);
    // The results stay with the calls, without a field any more.
    await calls.nth(0).getByText('{"sky":"rain"}').waitFor();
    assert.equal(await answer.getByLabel(t('toolResult')).count(), 0);
  },
);

everywhere('JSON mode: a reminder, and the answer as JSON', async (view, server) => {
  const { page, t } = view;
  const dialog = await openSettings(view);
  await dialog.getByRole('switch', { name: t('jsonMode') }).check();
  await closeSettings(view);
  await page.getByText(t('jsonMode'), { exact: true }).waitFor();
  await field(view).fill('List two depths');
  await page.getByText(t('jsonHint')).waitFor();
  await field(view).fill('List two depths as JSON');
  await eventually(async () => assert.equal(await page.getByText(t('jsonHint')).count(), 0));
  server.answer({ pieces: ['{"depths"', ': [30, ', '*40*]}'] });
  await button(view, 'send').click();
  const answer = await answered(view);
  assert.deepEqual(server.requests[0].response_format, { type: 'json_object' });
  assert.equal(await answer.locator('.code code').textContent(), '{"depths": [30, *40*]}');
});

once(
  'numbers out of range are brought into it, and the defaults are the server’s',
  async (view) => {
    const { t } = view;
    const dialog = await openSettings(view);
    const temperature = dialog.getByLabel(t('temperature')).first();
    assert.equal(await temperature.getAttribute('placeholder'), t('serverDefault', { n: '0.7' }));
    await set(dialog, t('temperature'), '9');
    assert.equal(await temperature.inputValue(), '2');
    await set(dialog, t('maxTokens'), '0');
    assert.equal(await dialog.getByLabel(t('maxTokens')).first().inputValue(), '1');
    await set(dialog, t('maxTokens'), '999999');
    assert.equal(await dialog.getByLabel(t('maxTokens')).first().inputValue(), '2048');
  },
  {
    server: {
      info: {
        max_tokens: 2048,
        defaults: {
          temperature: 0.7,
          top_p: 1,
          max_tokens: 1024,
          frequency_penalty: 0,
          presence_penalty: 0,
        },
      },
    },
  },
);

once('function definitions that are wrong are said to be, and not sent', async (view, server) => {
  const { t } = view;
  const dialog = await openSettings(view);
  await set(dialog, t('functions'), '[{"name": ');
  await dialog.getByText(t('functionsBad', { detail: '' })).waitFor();
  await set(dialog, t('functions'), '[{"name": "no spaces allowed"}]');
  await dialog.getByText(t('functionsShape', { detail: '' })).waitFor();
  await closeSettings(view);
  await askAndWait(view, 'Go');
  assert.equal(server.requests[0].tools, undefined);
  await openSettings(view);
  await set(dialog, t('functions'), '');
  await dialog.getByRole('button', { name: t('functionsExample') }).click();
  await dialog.getByText(t('functionsHint')).waitFor();
  await closeSettings(view);
  await askAndWait(view, 'Go', 2);
  assert.equal(server.requests[1].tools[0].function.name, 'get_weather');
});

once(
  'settings belong to a conversation, until they are made the rule for new ones',
  async (view, server) => {
    const { t } = view;
    const dialog = await openSettings(view);
    await set(dialog, t('temperature'), '0.2');
    await closeSettings(view);
    await askAndWait(view, 'One');
    await newChat(view);
    await askAndWait(view, 'Two');
    assert.equal(server.requests[1].temperature, undefined);

    await openListed(view, listed(view).filter({ hasText: 'One' }));
    await openSettings(view);
    await dialog.getByRole('button', { name: t('makeDefault') }).click();
    await closeSettings(view);
    await newChat(view);
    await askAndWait(view, 'Three');
    assert.equal(server.requests[2].temperature, 0.2);
    await view.page.reload();
    await newChat(view);
    await ask(view, 'Four');
    await answered(view);
    assert.equal(server.requests[3].temperature, 0.2);
  },
);
