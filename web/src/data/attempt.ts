// Where the browser's storage fails (it is full, say), the page says so and goes on from memory.
import { t } from '../i18n/index.svelte';
import { toast, toasts } from '../ui/toasts.svelte';

/** What `act` on the database returns; undefined if it failed, which the user is told. */
export async function attempt<T>(act: () => Promise<T>): Promise<T | undefined> {
  try {
    return await act();
  } catch (error) {
    tellStorageFailed(error as Error);
    return undefined;
  }
}

export function tellStorageFailed(error: Error): void {
  const text = t('storageFailed', { reason: error.message.split('\n', 1)[0]! });
  // Each second of an answer is an attempt: one notice at a time.
  if (!toasts.some((shown) => shown.text === text)) toast(text, { bad: true });
}
