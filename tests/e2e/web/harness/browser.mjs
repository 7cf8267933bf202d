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

/** A fresh browser profile at a size and in a language. Page errors and outside requests are kept. */
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
  const problems = [];
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
  const t = wordsOf(language);
  await page.getByLabel(t('message'), { exact: true }).waitFor();
  return { context, page, t, size, language, problems };
}
