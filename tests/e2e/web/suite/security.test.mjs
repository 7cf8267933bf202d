// No script, style or link of an answer runs or loads anything: the list of attempts, by each way
// into the page, with and without the content security policy behind the page's own gates.
import assert from 'node:assert/strict';
import {
  answered,
  answers,
  ask,
  closeSettings,
  listed,
  openList,
  openSettings,
  set,
  textFile,
} from '../harness/chat.mjs';
import { kAttacks } from '../harness/attacks.mjs';
import { inPieces } from '../harness/samples.mjs';
import { eventually, once } from '../harness/suite.mjs';

const kOwnPaths =
  /^\/($|icon\.svg|assets\/|fathom\/info|models|user\/balance|tokenize|chat\/completions)/;

/** Counts what runs from now on, and notes every request that is not one of the page's own. */
async function watch({ page }) {
  const asked = [];
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (!kOwnPaths.test(url.pathname)) asked.push(request.url());
  });
  page.on('framenavigated', (frame) => {
    // A conversation's own address.
    if (!/^http:\/\/127\.0\.0\.1:\d+\/#c\/[\w-]+$/.test(frame.url()))
      asked.push(`went to ${frame.url()}`);
  });
  page.on('dialog', (dialog) => asked.push(`dialog ${dialog.message()}`) && dialog.dismiss());
  await page.evaluate(() => {
    window.hits = 0;
    window.hit = () => window.hits++;
  });
  return asked;
}

/** Everything in what the model wrote that could act: elements, attributes, addresses. */
const dangers = ({ page }) =>
  page.evaluate(() => {
    const kTags = new Set(
      'P BR HR H1 H2 H3 H4 H5 H6 STRONG EM S CODE PRE BLOCKQUOTE UL OL LI TABLE THEAD TBODY TR TH TD A SPAN DIV BUTTON'.split(
        ' ',
      ),
    );
    const kAttributes = new Set(
      'class href title target rel start tabindex data-lang data-tex type aria-label'.split(' '),
    );
    const found = [];
    for (const node of document.querySelectorAll('.answer .markdown *, .answer form .code *')) {
      // What KaTeX built: its own elements, with its own styles.
      if (node.closest('.katex')) {
        const kMath =
          'span svg path line math semantics annotation mrow mi mo mn mtext mstyle mspace mfrac msup msub merror mpadded mphantom menclose'.split(
            ' ',
          );
        if (!kMath.includes(node.localName)) found.push(`katex: <${node.localName}>`);
        for (const { name, value } of node.attributes) {
          if (/^on|href|src|^id$|^data-/.test(name) || /url\(|javascript:/i.test(value))
            found.push(`katex: ${name}=${value}`);
        }
        continue;
      }
      if (!kTags.has(node.tagName)) found.push(`<${node.tagName}>`);
      for (const { name, value } of node.attributes) {
        if (!kAttributes.has(name)) found.push(`${node.tagName} ${name}=${value}`);
        if (name === 'href' && !/^(https?:|mailto:)/.test(value)) found.push(`link to ${value}`);
      }
      if (node.tagName === 'A' && (node.target !== '_blank' || !node.rel.includes('noopener')))
        found.push(`link opens here: ${node.href}`);
      if (node.tagName === 'BUTTON' && node.className !== 'copy') found.push('button');
      if (node.style.length > 0) found.push(`style ${node.style.cssText}`);
    }
    for (const frame of document.querySelectorAll(
      'iframe, object, embed, base, meta[http-equiv=refresh], form[action]',
    ))
      found.push(frame.outerHTML);
    return { found, hits: window.hits };
  });

const kConversation = JSON.stringify({
  format: 'fathom-conversations',
  version: 1,
  conversations: [
    {
      title: 'Attacks <img src=x onerror=hit()>',
      params: {},
      choices: {},
      messages: kAttacks.flatMap((attack, i) => [
        {
          id: `q${i}`,
          parentId: i ? `a${i - 1}` : null,
          role: 'user',
          content: attack,
          createdAt: 2 * i,
          state: 'done',
          files: [{ name: attack, text: attack }],
        },
        {
          id: `a${i}`,
          parentId: `q${i}`,
          role: 'assistant',
          content: attack,
          createdAt: 2 * i + 1,
          state: 'done',
        },
      ]),
    },
  ],
});

/**
 * Goes from the first turn to the last, a stretch at a time, and looks at every stretch with all of
 * its blocks and formulas in place. Returns how many answers there were.
 */
async function readThrough(view) {
  const { page } = view;
  const kStretch = 1400;
  let found = 0;
  for (let index = 0; index >= 0;) {
    // What is from this turn on, where all of it is there: so many answers, and the turn after it.
    const stretch = () =>
      page.evaluate(
        ([first, height]) => {
          const all = [...document.querySelectorAll('.thread > ol > li')];
          all[first].scrollIntoView({ block: 'start' });
          const { top } = all[first].getBoundingClientRect();
          const end = all.findIndex((item) => item.getBoundingClientRect().top > top + height);
          const items = all.slice(first, end < 0 ? undefined : end);
          const kOpen = ':scope > [hidden], .answer .markdown:empty, .answer .math:not(:has(*))';
          if (items.some((item) => item.querySelector(kOpen))) return undefined;
          return { count: items.filter((item) => item.querySelector('.answer')).length, next: end };
        },
        [index, kStretch],
      );
    const { count, next } = await eventually(async () => {
      const there = await stretch();
      assert.ok(there);
      return there;
    });
    found += count;
    index = next;
    assert.deepEqual(await dangers(view), { found: [], hits: 0 });
    // The pointer and the focus over all of it.
    await page.evaluate(() => {
      for (const node of document.querySelectorAll('.answer *')) {
        for (const type of ['mouseover', 'pointerenter', 'focus', 'toggle', 'load', 'error'])
          node.dispatchEvent(new Event(type));
      }
    });
  }
  return found;
}

for (const csp of [undefined, '']) {
  const how =
    csp === '' ? 'even without the content security policy' : 'under the content security policy';

  once(
    `none of the attempts acts when shown whole, ${how}`,
    async (view) => {
      assert.ok(kAttacks.length >= 30);
      const asked = await watch(view);
      const dialog = await openSettings(view, 'page');
      await dialog
        .locator('input[type=file]')
        .setInputFiles(textFile('attacks.json', kConversation));
      await view.page.keyboard.press('Escape');
      await listed(view).first().click();
      await answers(view).first().waitFor();
      assert.equal(await readThrough(view), kAttacks.length);
      assert.equal(await view.page.evaluate(() => window.hits), 0);
      assert.deepEqual(asked, []);
    },
    { server: { csp } },
  );

  once(
    `none of the attempts acts while it is streamed, ${how}`,
    async (view, server) => {
      const asked = await watch(view);
      const harmless = kAttacks.map((attack) => `${attack}\n\n<!-- -->\n\n`).join('');
      server.answer({ pieces: inPieces(harmless, 7) });
      await ask(view, 'Attack');
      await answered(view);
      await eventually(async () =>
        assert.equal(await view.page.locator('.answer .math:not(:has(*))').count(), 0),
      );
      assert.deepEqual(await dangers(view), { found: [], hits: 0 });
      assert.deepEqual(asked, []);
    },
    { server: { csp } },
  );
}

once(
  'nor do they by an error, a function’s name, its arguments, or JSON mode',
  async (view, server) => {
    const asked = await watch(view);
    const bad = '<img src=x onerror=hit()><script>hit()</script>';
    server.answer(
      { status: 400, message: bad },
      {
        pieces: [
          {
            toolCalls: [
              {
                index: 0,
                id: bad,
                type: 'function',
                function: { name: bad, arguments: JSON.stringify({ bad }) },
              },
            ],
          },
        ],
        finish: 'tool_calls',
      },
      { pieces: [`{"x": "${bad}"}`] },
    );
    await ask(view, 'One');
    await view.page.getByRole('alert').getByText(bad).waitFor();
    await ask(view, 'Two');
    await answers(view)
      .getByText(view.t('toolCall', { name: bad }))
      .waitFor();
    await answered(view, 2);
    const dialog = await openSettings(view);
    await dialog.getByRole('switch', { name: view.t('jsonMode') }).check();
    await set(dialog, view.t('system'), bad);
    await closeSettings(view);
    await ask(view, 'json');
    await answered(view, 3);
    assert.equal(await view.page.locator('img, .answer script, [onerror]').count(), 0);
    assert.equal((await dangers(view)).hits, 0);
    assert.deepEqual(asked, []);
  },
);

once('the policy is strict, and the browser enforces it', async (view) => {
  const { page } = view;
  const response = await page.reload();
  const policy = response.headers()['content-security-policy'];
  const rules = Object.fromEntries(
    policy.split(';').map((rule) => {
      const [name, ...sources] = rule.trim().split(/\s+/);
      return [name, sources.join(' ')];
    }),
  );
  assert.equal(rules['default-src'], "'none'");
  for (const name of [
    'script-src',
    'style-src',
    'img-src',
    'font-src',
    'connect-src',
    'worker-src',
  ])
    assert.equal(rules[name], "'self'", name);
  for (const name of ['base-uri', 'form-action', 'frame-ancestors'])
    assert.equal(rules[name], "'none'", name);
  assert.equal(rules['require-trusted-types-for'], "'script'");
  assert.doesNotMatch(policy, /unsafe|\*|https?:|data:/);

  const violated = await page.evaluate(async () => {
    const seen = new Set();
    document.addEventListener('securitypolicyviolation', (event) =>
      seen.add(event.effectiveDirective),
    );
    const add = (tag, values) =>
      document.body.append(Object.assign(document.createElement(tag), values));
    window.hits = 0;
    add('style', { textContent: 'html{background:red}' });
    add('img', { src: 'https://evil.test/x.png' });
    add('iframe', { src: 'https://evil.test/' });
    (add('p', {}), document.body.lastChild.setAttribute('style', 'color: red'));
    await fetch('https://evil.test/').catch(() => {});
    for (const attempt of [
      () => add('script', { textContent: 'window.hits++' }),
      () => (document.createElement('div').innerHTML = '<img src=x onerror=hit()>'),
      () => new Worker('data:text/javascript,1'),
    ]) {
      try {
        attempt();
      } catch (error) {
        seen.add(error.name);
      }
    }
    await new Promise((done) => setTimeout(done, 200));
    return {
      seen: [...seen].sort(),
      hits: window.hits,
      red: getComputedStyle(document.documentElement).backgroundColor,
    };
  });
  for (const rule of [
    'connect-src',
    'frame-src',
    'img-src',
    'require-trusted-types-for',
    'style-src-attr',
    'style-src-elem',
    'TypeError',
  ]) {
    assert.ok(violated.seen.includes(rule), `${rule} is not enforced: ${violated.seen}`);
  }
  assert.equal(violated.hits, 0);
  assert.notEqual(violated.red, 'rgb(255, 0, 0)');
  // These were the test's own doing.
  view.problems.length = 0;
});

once('the page’s own files have no inline script or style', async (view) => {
  const html = await (await view.page.reload()).text();
  assert.doesNotMatch(html, /<style|style=|\son\w+=/i);
  for (const [, attributes, body] of html.matchAll(/<script([^>]*)>([^<]*)<\/script>/g)) {
    assert.match(attributes, /src="\.\/assets\//);
    assert.equal(body.trim(), '');
  }
  await openList(view);
});
