// Headless Chromium, and the page in the widths and languages that the tests go through.
import { existsSync, readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const kFlags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

// The headless shell does the same for a third of the processor time.
const kPrograms = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'];
const kOptions = {
  executablePath:
    process.env.CHROMIUM ?? kPrograms.find((path) => existsSync(path)) ?? kPrograms[0],
  args: kFlags,
};

/** A browser of one's own, or a connection to the one that FATHOM_BROWSER names. */
export const launch = () => {
  const shared = process.env.FATHOM_BROWSER;
  return shared ? chromium.connect(shared) : chromium.launch(kOptions);
};

export const launchServer = () => chromium.launchServer(kOptions);

const words = (name) =>
  JSON.parse(
    readFileSync(new URL(`../../../../web/src/i18n/${name}.json`, import.meta.url), 'utf8'),
  );
const kWords = { en: words('en'), zh: words('zh') };

/** The page's words in one language: t('key', {name: value}). */
export const wordsOf =
  (language) =>
  (key, values = {}) => {
    const text = kWords[language][key];
    if (text === undefined) throw new Error(`no such word: ${key}`);
    return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
  };

const kSizes = { phone: { width: 390, height: 844 }, desktop: { width: 1440, height: 900 } };

export const kVariants = ['phone', 'desktop'].flatMap((size) =>
  ['en', 'zh'].map((language) => ({ size, language })),
);

/** Both widths and both languages in two of them. */
export const kTwoVariants = kVariants.filter(
  ({ size, language }) => (size === 'phone') === (language === 'zh'),
);

/** A fresh browser profile at a size and in a language, with the page at `url`. */
export async function openPage(browser, url, { size, language, ...options }) {
  const context = await browser.newContext({
    viewport: kSizes[size],
    locale: language === 'zh' ? 'zh-CN' : 'en-GB',
    hasTouch: size === 'phone',
    isMobile: size === 'phone',
    reducedMotion: 'reduce',
    acceptDownloads: true,
    permissions: ['clipboard-read', 'clipboard-write'],
    ...options,
  });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  const view = { context, page, t: wordsOf(language), size, language, options };
  await visit(view, url);
  return view;
}

/**
 * Brings a page that served before to another server. That is an origin of its own, with a storage
 * of its own: empty, once what a server on the same port may have left is gone.
 */
export async function reopenPage(view, url) {
  const { context, page, size, options } = view;
  for (const event of kWatched) page.removeAllListeners(event);
  // What the page before has begun, a count of its draft say, ends here unseen.
  await page.goto('about:blank');
  view.session ??= await context.newCDPSession(page);
  await view.session.send('Storage.clearDataForOrigin', {
    origin: new URL(url).origin,
    storageTypes: 'all',
  });
  await context.setOffline(false);
  await page.emulateMedia({ colorScheme: options.colorScheme ?? 'light', reducedMotion: 'reduce' });
  await page.setViewportSize(kSizes[size]);
  await visit(view, url);
}

const kWatched = ['pageerror', 'console', 'request', 'response', 'framenavigated', 'dialog'];

/** Goes to the address. From then on page errors and outside requests are kept in `problems`. */
async function visit(view, url) {
  const { page, t } = view;
  const problems = [];
  view.problems = problems;
  page.on('pageerror', (error) => problems.push(`page error: ${error.message}`));
  page.on('console', (message) => {
    // The browser reports each answer other than 2xx, which some tests ask for.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) {
      problems.push(`console: ${message.text()}`);
    }
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('blob:')) {
      problems.push(`outside request: ${request.url()}`);
    }
  });
  await page.goto(url);
  await page.getByLabel(t('message'), { exact: true }).waitFor();
}
