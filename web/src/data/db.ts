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

export async function markDeleted(ids: string[]): Promise<void> {
  await db.conversations.where('id').anyOf(ids).modify({ deletedAt: Date.now() });
}

/** Takes a deletion back; returns how many conversations were still there. */
export async function undoDelete(ids: string[]): Promise<number> {
  return db.conversations.where('id').anyOf(ids).modify({ deletedAt: undefined });
}

/** Removes for good what was deleted more than `age` milliseconds ago. */
export async function purgeDeleted(age: number): Promise<void> {
  const limit = Date.now() - age;
  const gone = await db.conversations
    .filter((c) => (c.deletedAt ?? Infinity) <= limit)
    .primaryKeys();
  await removeConversations(gone);
}

export async function removeConversations(ids: string[]): Promise<void> {
  await db.transaction('rw', db.conversations, db.messages, async () => {
    await db.messages.where('conversationId').anyOf(ids).delete();
    await db.conversations.bulkDelete(ids);
  });
}

/** An answer that was being written when the page was closed is shown as stopped. */
export async function settleInterrupted(messages: Message[]): Promise<Message[]> {
  const open = messages.filter((m) => m.state === 'streaming');
  for (const message of open) message.state = 'stopped';
  if (open.length > 0) await db.messages.bulkPut(open);
  return messages;
}
