// Keys that work anywhere on the page.
import { app, newChat, openSettings, toggleSidebar } from '../app.svelte';
import { prefs, savePrefs } from '../data/prefs.svelte';

const isMac = /mac|iphone|ipad/i.test(navigator.platform);

/** The key that goes with the page's shortcuts, as its keyboard names it. */
export const commandKey = isMac ? '⌘' : 'Ctrl';

export function pageKeys(event: KeyboardEvent): void {
  if (event.isComposing || event.defaultPrevented) return;
  const command = isMac ? event.metaKey : event.ctrlKey;
  const key = event.key.toLowerCase();
  const action = command ? commandAction(key, event.shiftKey) : plainAction(event);
  if (!action) return;
  event.preventDefault();
  action();
}

function commandAction(key: string, shift: boolean): (() => void) | undefined {
  if (key === 'o' && shift) return newChat;
  if (key === 'k') return focusSearch;
  if (key === 'b') return toggleSidebar;
  if (key === ',') return () => openSettings('model');
  if (key === '/') return () => (app.sheet = app.sheet === 'keys' ? undefined : 'keys');
  return undefined;
}

function plainAction(event: KeyboardEvent): (() => void) | undefined {
  if (event.key === 'Escape') {
    if (app.sheet) return undefined; // the dialog's own matter
    if (app.drawer) return () => (app.drawer = false);
    return app.session.run && app.view === 'chat' ? () => app.session.stop() : undefined;
  }
  const writing = (event.target as HTMLElement).matches('input, textarea, select');
  if (event.key === '/' && !writing && !event.altKey) return () => app.focusComposer++;
  return undefined;
}

function focusSearch(): void {
  if (matchMedia('(max-width: 860px)').matches) app.drawer = true;
  else if (!prefs.sidebar) {
    prefs.sidebar = true;
    savePrefs();
  }
  // The list may only now become visible.
  requestAnimationFrame(() => document.getElementById('search')?.focus());
}
