// The page's state and the actions that more than one part of it offers.
import { liveQuery } from 'dexie';
import { toMarkdown, download, exportJson, parseImport, storeImported } from './data/transfer';
import { attempt, tellStorageFailed } from './data/attempt';
import { db, loadMessages, markDeleted, purgeDeleted, undoDelete } from './data/db';
import { prefs, savePrefs } from './data/prefs.svelte';
import type { Conversation } from './data/types';
import { t } from './i18n/index.svelte';
import { answering, runs, Session } from './chat/session.svelte';
import { shownPath } from './chat/tree';
import { toast } from './ui/toasts.svelte';

/** How long a deletion can be undone; a little longer than its notice is shown. */
const kUndoMs = 8000;

interface App {
  session: Session;
  view: 'chat' | 'speed';
  /** The conversation that is being read, to be shown next; empty if none is. */
  opening: string;
  list: Conversation[];
  /** The sheet in front of the page. */
  sheet: 'settings' | 'keys' | undefined;
  settingsTab: 'model' | 'page';
  /** On small screens: whether the list is over the page. */
  drawer: boolean;
  /** Counts up to ask the composer to take the focus. */
  focusComposer: number;
}

export const app: App = $state({
  session: Session.fresh($state.snapshot(prefs.params)),
  view: 'chat',
  opening: idInAddress(),
  list: [],
  sheet: undefined,
  settingsTab: 'model',
  drawer: false,
  focusComposer: 0,
});

export async function startApp(): Promise<void> {
  // Another tab may still offer to undo what it deleted a moment ago.
  await purge();
  setTimeout(purge, kUndoMs);
  liveQuery(() => db.conversations.orderBy('updatedAt').reverse().toArray()).subscribe({
    next: (all) => {
      app.list = all.filter((c) => !c.deletedAt);
    },
    error: tellStorageFailed,
  });
  addEventListener('hashchange', () => void followHash());
  await followHash();
}

/** Removes for good what can no longer be undone. */
const purge = () => attempt(() => purgeDeleted(kUndoMs));

function idInAddress(): string {
  return location.hash.startsWith('#c/') ? location.hash.slice(3) : '';
}

/** Shows what the address says: `#speed`, `#c/ID`, or a new conversation. */
async function followHash(): Promise<void> {
  const id = idInAddress();
  app.view = location.hash === '#speed' ? 'speed' : 'chat';
  app.opening = '';
  if (app.view === 'speed' || id === app.session.id) return;
  app.opening = id;
  const opened = id ? await attempt(() => Session.open(id)) : undefined;
  if (app.opening !== id) return; // Something else was asked for meanwhile.
  app.opening = '';
  if (opened) app.session = opened;
  else if (!app.session.empty) newChat();
}

/** Brings the address in line with what is open, without a new history entry for the same one. */
export function showInAddress(id: string): void {
  app.opening = '';
  if (location.hash !== `#c/${id}`) history.pushState(null, '', `#c/${id}`);
}

export function newChat(): void {
  app.session = Session.fresh($state.snapshot(prefs.params));
  app.view = 'chat';
  app.opening = '';
  app.drawer = false;
  app.focusComposer++;
  if (location.hash) history.pushState(null, '', location.pathname);
}

export async function openConversation(id: string): Promise<void> {
  app.drawer = false;
  showInAddress(id);
  await followHash();
}

export async function rename(id: string, title: string): Promise<void> {
  for (const session of [app.session, answering.get(id)]) {
    if (session?.id === id) session.conversation.title = title;
  }
  await attempt(() => db.conversations.update(id, { title }));
}

/** Deletes conversations; for a while that can be undone. */
export async function deleteConversations(all: Conversation[]): Promise<void> {
  const ids = all.map((c) => c.id);
  for (const id of ids) runs[id]?.stop();
  if ((await attempt(() => markDeleted(ids))) === undefined) return;
  const open = ids.find((id) => id === app.session.id);
  if (open) newChat();
  const notice =
    all.length === 1
      ? t('deleted', { title: all[0]!.title || t('untitled') })
      : t('deletedAll', { n: all.length });
  toast(notice, { action: { label: t('undo'), run: () => void undoDeletion(ids, open) } });
  setTimeout(purge, kUndoMs);
}

async function undoDeletion(ids: string[], open: string | undefined): Promise<void> {
  const restored = await attempt(() => undoDelete(ids));
  if (restored === undefined) return;
  if (restored < ids.length) toast(t('undoTooLate'), { bad: true });
  if (open && restored > 0) await openConversation(open);
}

export async function exportAsJson(conversations: Conversation[]): Promise<void> {
  const text = await exportJson(conversations.map((c) => c.id));
  const name = conversations.length === 1 ? conversations[0]!.title || t('untitled') : 'fathom';
  download(`${name}.json`, text, 'application/json');
}

export async function exportAsMarkdown(conversation: Conversation): Promise<void> {
  const path = shownPath(await loadMessages(conversation.id), conversation.choices);
  download(
    `${conversation.title || t('untitled')}.md`,
    toMarkdown(conversation, path),
    'text/markdown',
  );
}

export async function importFiles(files: Iterable<File>): Promise<void> {
  for (const file of files) {
    try {
      const read = parseImport(await file.text(), file.name);
      if (read.length === 0) throw new Error(t('importNoConversation'));
      await storeImported(read);
      toast(read.length === 1 ? t('imported1') : t('imported', { n: read.length }));
    } catch (error) {
      const reason = (error as Error).message;
      toast(t('importFailed', { name: file.name, reason }), { bad: true });
    }
  }
}

/** From the speed page back to the conversation. */
export function showChat(): void {
  app.view = 'chat';
  if (app.session.empty) history.pushState(null, '', location.pathname);
  else showInAddress(app.session.id);
}

export function openSettings(tab: App['settingsTab']): void {
  app.settingsTab = tab;
  app.sheet = 'settings';
}

/** For a sheet's `close` event, which comes late: by then another may be in front. */
export function closed(sheet: App['sheet']): void {
  if (app.sheet === sheet) app.sheet = undefined;
}

export function toggleSidebar(): void {
  if (matchMedia('(max-width: 860px)').matches) {
    app.drawer = !app.drawer;
    return;
  }
  prefs.sidebar = !prefs.sidebar;
  savePrefs();
}
