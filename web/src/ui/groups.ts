// The list of conversations by date: the last days by name, what is older by month.
import type { Conversation } from '../data/types';
import { formatMonth, t } from '../i18n/index.svelte';

export interface Group {
  label: string;
  conversations: Conversation[];
}

const kDayMs = 24 * 3600 * 1000;

export function groupByDate(list: Conversation[], now: number): Group[] {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const groups: Group[] = [];
  for (const conversation of list) {
    const label = labelOf(conversation.updatedAt, midnight);
    const last = groups.at(-1);
    if (last?.label === label) last.conversations.push(conversation);
    else groups.push({ label, conversations: [conversation] });
  }
  return groups;
}

function labelOf(time: number, midnight: number): string {
  if (time >= midnight) return t('today');
  if (time >= midnight - kDayMs) return t('yesterday');
  if (time >= midnight - 6 * kDayMs) return t('last7');
  if (time >= midnight - 29 * kDayMs) return t('last30');
  return formatMonth(time);
}
