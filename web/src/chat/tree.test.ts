import { describe, expect, it } from 'vitest';
import type { Message } from '../data/types';
import { shownPath, versionsOf } from './tree';

const message = (id: string, parentId: string | null) => ({ id, parentId }) as Message;
const ids = (messages: Message[]) => messages.map((m) => m.id).join(' ');

// q ─ a1, a2 ─ r ─ b;  q2 beside q
const kTree = [
  message('q', null),
  message('a1', 'q'),
  message('a2', 'q'),
  message('r', 'a2'),
  message('b', 'r'),
  message('q2', null),
];

describe('shownPath', () => {
  it('takes the newest where nothing is chosen', () => {
    expect(ids(shownPath(kTree, {}))).toBe('q2');
  });

  it('follows the choices, and the newest from there on', () => {
    expect(ids(shownPath(kTree, { '': 'q' }))).toBe('q a2 r b');
    expect(ids(shownPath(kTree, { '': 'q', q: 'a1' }))).toBe('q a1');
  });

  it('takes the newest for a choice that is gone', () => {
    expect(ids(shownPath(kTree, { '': 'q', q: 'deleted' }))).toBe('q a2 r b');
  });

  it('is empty without messages', () => {
    expect(shownPath([], {})).toEqual([]);
  });
});

describe('versionsOf', () => {
  it('are the children of one parent, oldest first', () => {
    expect(ids(versionsOf(kTree, kTree[2]!))).toBe('a1 a2');
    expect(ids(versionsOf(kTree, kTree[0]!))).toBe('q q2');
    expect(ids(versionsOf(kTree, kTree[4]!))).toBe('b');
  });
});
