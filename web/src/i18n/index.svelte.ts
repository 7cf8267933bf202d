// Chooses the words: by the user's setting, else by the browser's first language.
import en from './en.json';
import chinese from './zh.json';

export type WordKey = keyof typeof en;

/** Both languages have the same words; `{name}` is filled in. */
const zh: Record<WordKey, string> = chinese;

export type Language = 'en' | 'zh';

export function browserLanguage(): Language {
  const first = navigator.languages?.[0] ?? navigator.language;
  return first.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

const locale = $state<{ language: Language }>({ language: browserLanguage() });

export function language(): Language {
  return locale.language;
}

export function setLanguage(choice: Language | 'browser'): void {
  locale.language = choice === 'browser' ? browserLanguage() : choice;
  document.documentElement.lang = locale.language === 'zh' ? 'zh-CN' : 'en';
}

/** The words for `key` in the page's language. */
export function t(key: WordKey, values: Record<string, string | number> = {}): string {
  const words = locale.language === 'zh' ? zh : en;
  return words[key].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

const localeTag = () => (locale.language === 'zh' ? 'zh-CN' : 'en-GB');

/** Made once each: making one takes longer than everything that it ever formats. */
const numberFormats = new Map<string, Intl.NumberFormat>();

export function formatNumber(value: number, digits = 0): string {
  const key = `${localeTag()} ${digits}`;
  let format = numberFormats.get(key);
  if (!format) {
    format = new Intl.NumberFormat(localeTag(), { maximumFractionDigits: digits });
    numberFormats.set(key, format);
  }
  return format.format(value);
}

export function formatCount(n: number): string {
  return n === 1 ? t('tokens1') : t('tokens', { n: formatNumber(n) });
}

/** 65536 as 64K, 1234 as 1.2K: for places with little room. */
export function formatShort(n: number): string {
  if (n < 1000) return String(n);
  if (n % 1024 === 0) return `${n / 1024}K`;
  return `${formatNumber(n / 1000, n < 10_000 ? 1 : 0)}k`;
}

export function formatDuration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${formatNumber(ms / 1000, ms < 10_000 ? 2 : 1)} s`;
}

export function formatDate(time: number): string {
  return new Intl.DateTimeFormat(localeTag(), { dateStyle: 'medium' }).format(time);
}

export function formatDateTime(time: number): string {
  return new Intl.DateTimeFormat(localeTag(), { dateStyle: 'medium', timeStyle: 'short' }).format(
    time,
  );
}

export function formatMonth(time: number): string {
  return new Intl.DateTimeFormat(localeTag(), { month: 'long', year: 'numeric' }).format(time);
}
