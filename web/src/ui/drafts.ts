import type { AttachedFile } from '../data/types';

/** What was typed and not sent, by conversation; as long as the page is open. */
export const drafts = new Map<string, { text: string; files: AttachedFile[] }>();
