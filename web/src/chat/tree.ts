// A conversation is a tree: editing or asking again adds a sibling, and `choices` says which child
// of each message is on show. All functions are pure.
import type { Message } from '../data/types';

export type Choices = Record<string, string>;

function childrenByParent(messages: Iterable<Message>): Map<string, Message[]> {
  const children = new Map<string, Message[]>();
  for (const message of messages) {
    const key = message.parentId ?? '';
    const list = children.get(key);
    if (list) list.push(message);
    else children.set(key, [message]);
  }
  return children;
}

/** The messages on show, from the first to the last. `messages` are in order of creation. */
export function shownPath(messages: Iterable<Message>, choices: Choices): Message[] {
  const children = childrenByParent(messages);
  const path: Message[] = [];
  let key = '';
  for (;;) {
    const options = children.get(key);
    if (!options) return path;
    const next = options.find((m) => m.id === choices[key]) ?? options[options.length - 1]!;
    path.push(next);
    key = next.id;
  }
}

/** The versions of a message: itself and those that share its parent, oldest first. */
export function versionsOf(messages: Iterable<Message>, message: Message): Message[] {
  const out: Message[] = [];
  for (const other of messages) if (other.parentId === message.parentId) out.push(other);
  return out;
}
