// Settings of the page itself, in localStorage; shared by all of the page's tabs.
import { setApiKey } from '../api/client';
import { setLanguage, type Language } from '../i18n/index.svelte';
import { freshParams, type Params } from './types';

export interface Prefs {
  theme: 'system' | 'light' | 'dark';
  language: Language | 'browser';
  apiKey: string;
  sidebar: boolean;
  /** What new conversations start with. */
  params: Params;
}

const kStorageKey = 'fathom.prefs';

function load(): Prefs {
  const fresh: Prefs = {
    theme: 'system',
    language: 'browser',
    apiKey: '',
    sidebar: true,
    params: freshParams(),
  };
  try {
    const stored = JSON.parse(localStorage.getItem(kStorageKey) ?? '{}') as Partial<Prefs>;
    return { ...fresh, ...stored, params: { ...fresh.params, ...stored.params } };
  } catch {
    return fresh;
  }
}

export const prefs: Prefs = $state(load());

function apply(): void {
  const root = document.documentElement;
  if (prefs.theme === 'system') delete root.dataset.theme;
  else root.dataset.theme = prefs.theme;
  setLanguage(prefs.language);
  setApiKey(prefs.apiKey);
}

/** Makes the settings take effect and keeps them; call after each change. */
export function savePrefs(): void {
  apply();
  localStorage.setItem(kStorageKey, JSON.stringify(prefs));
}

/** Call once at the start. */
export function startPrefs(): void {
  apply();
  window.addEventListener('storage', (event) => {
    if (event.key !== kStorageKey) return;
    Object.assign(prefs, load());
    apply();
  });
  window.addEventListener('languagechange', apply);
}
