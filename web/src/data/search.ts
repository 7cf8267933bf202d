// Search in titles and contents: every word must occur, in any order.
import { db } from './db';

export interface Hit {
  id: string;
  /** Text around the first match in a message; empty when the title matched. */
  before: string;
  match: string;
  after: string;
}

const kContext = 36;

/** Finds conversations; newest first is the caller's matter. Gives up when `signal` fires. */
export async function searchConversations(
  query: string,
  signal: AbortSignal,
): Promise<Map<string, Hit>> {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const hits = new Map<string, Hit>();
  if (words.length === 0) return hits;
  const missing = new Map<string, Set<string>>();
  await db.conversations.each((conversation) => {
    if (conversation.deletedAt) return;
    const title = conversation.title.toLowerCase();
    missing.set(conversation.id, new Set(words.filter((word) => !title.includes(word))));
  });
  const snippets = new Map<string, Hit>();
  await db.messages
    .toCollection()
    .until(() => signal.aborted)
    .each((message) => {
      const open = missing.get(message.conversationId);
      if (!open || open.size === 0) return;
      const text = [message.content, ...(message.files ?? []).map((f) => f.name)].join('\n');
      const lower = text.toLowerCase();
      for (const word of [...open]) {
        const at = lower.indexOf(word);
        if (at < 0) continue;
        open.delete(word);
        if (!snippets.has(message.conversationId)) {
          snippets.set(message.conversationId, cut(message.conversationId, text, at, word.length));
        }
      }
    });
  for (const [id, open] of missing) {
    if (open.size === 0) hits.set(id, snippets.get(id) ?? { id, before: '', match: '', after: '' });
  }
  return hits;
}

function cut(id: string, text: string, at: number, length: number): Hit {
  const flat = (part: string) => part.replace(/\s+/g, ' ');
  const from = Math.max(0, at - kContext);
  return {
    id,
    before: (from > 0 ? '…' : '') + flat(text.slice(from, at)),
    match: flat(text.slice(at, at + length)),
    after: flat(text.slice(at + length, at + length + kContext)),
  };
}
