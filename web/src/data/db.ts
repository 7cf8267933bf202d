// Conversations in IndexedDB.
import Dexie, { type EntityTable } from 'dexie';
import type { Conversation, Message } from './types';

class FathomDb extends Dexie {
  conversations!: EntityTable<Conversation, 'id'>;
  messages!: EntityTable<Message, 'id'>;

  constructor() {
    super('fathom');
    this.version(1).stores({ conversations: 'id, updatedAt', messages: 'id, conversationId' });
  }
}

export const db = new FathomDb();

export async function loadMessages(conversationId: string): Promise<Message[]> {
  const found = await db.messages.where({ conversationId }).toArray();
  return found.sort((a, b) => a.createdAt - b.createdAt);
}

/** Returns how many conversations were there. */
export async function markDeleted(ids: string[]): Promise<number> {
  return db.conversations.where('id').anyOf(ids).modify({ deletedAt: Date.now() });
}

/** Takes a deletion back; returns how many conversations were still there. */
export async function undoDelete(ids: string[]): Promise<number> {
  return db.conversations.where('id').anyOf(ids).modify({ deletedAt: undefined });
}

/** Removes for good what was deleted more than `age` milliseconds ago. */
export async function purgeDeleted(age: number): Promise<void> {
  const limit = Date.now() - age;
  await db.transaction('rw', db.conversations, db.messages, async () => {
    const gone = await db.conversations
      .filter((c) => (c.deletedAt ?? Infinity) <= limit)
      .primaryKeys();
    await db.messages.where('conversationId').anyOf(gone).delete();
    await db.conversations.bulkDelete(gone);
  });
}

/** Changes some fields of a conversation and adds messages; returns whether it is (still) there. */
export async function extendConversation(
  id: string,
  changed: Partial<Conversation>,
  added: Message[],
): Promise<boolean> {
  return db.transaction('rw', db.conversations, db.messages, async () => {
    if ((await db.conversations.update(id, changed)) === 0) return false;
    await db.messages.bulkAdd(added);
    return true;
  });
}

/** Stores a conversation with all of its messages, in place of what is there of it. */
export async function storeConversation(
  conversation: Conversation,
  messages: Message[],
): Promise<void> {
  await db.transaction('rw', db.conversations, db.messages, async () => {
    await db.conversations.put(conversation);
    await db.messages.bulkPut(messages);
  });
}

const lockOf = (id: string) => `fathom.answer.${id}`;

/** Does `write`, which fills the answer `id`. Meanwhile other tabs see it by a lock. */
export function whileWriting(id: string, write: () => Promise<void>): Promise<void> {
  const end = write();
  void navigator.locks.request(lockOf(id), () => end.catch(() => {}));
  return end;
}

/** Resolves once no tab writes the answer `id`. */
export async function written(id: string): Promise<void> {
  await navigator.locks.request(lockOf(id), () => {});
}

/** A message as it stands: an answer that was being written when its page was closed has stopped. */
export async function settled(message: Message): Promise<Message> {
  if (message.state !== 'streaming') return message;
  const isFree = (lock: Lock | null) => lock !== null;
  if (!(await navigator.locks.request(lockOf(message.id), { ifAvailable: true }, isFree))) {
    return message;
  }
  // Read again: another tab may have come to its end since.
  const last = (await db.messages.get(message.id)) ?? message;
  return last.state === 'streaming' ? { ...last, state: 'stopped' } : last;
}
