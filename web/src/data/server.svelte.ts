// What the server says of itself, and the account behind the key.
import { fetchBalance, fetchInfo, fetchModels } from '../api/client';
import { ApiError } from '../api/errors';
import type { Balance, PriceRow, ServerInfo } from '../api/types';
import { language } from '../i18n/index.svelte';

/** What holds where a server does not say: the public API's own values. */
const kPublicApi: ServerInfo = {
  model: 'deepseek-chat',
  name: 'deepseek-chat',
  context_length: 65536,
  max_tokens: 8192,
  defaults: {
    temperature: 1,
    top_p: 1,
    max_tokens: 4096,
    frequency_penalty: 0,
    presence_penalty: 0,
  },
  api_key_required: false,
  speculation: false,
  prices: null,
};

interface ServerState {
  info: ServerInfo;
  balances: Balance[] | undefined;
  needsKey: boolean;
}

export const server: ServerState = $state({
  info: kPublicApi,
  balances: undefined,
  needsKey: false,
});

export async function refreshServer(): Promise<void> {
  try {
    server.info = { ...kPublicApi, ...(await fetchInfo()) };
  } catch {
    // Another server of the same API, or none yet: its models are asked below, errors show when used.
    const models = await fetchModels().catch(() => []);
    if (models[0]) server.info = { ...kPublicApi, model: models[0], name: models[0] };
  }
  server.needsKey = server.info.api_key_required;
  await refreshBalance();
}

export async function refreshBalance(): Promise<void> {
  try {
    server.balances = await fetchBalance();
  } catch (error) {
    const kind = error instanceof ApiError ? error.kind : 'server';
    // Out of reach for a moment: what was known still holds.
    if (kind === 'network') return;
    server.balances = undefined;
    if (kind === 'key') server.needsKey = true;
  }
}

/** The account's currency, or the usual one of the page's language. */
export function currency(): string {
  return server.balances?.[0]?.currency ?? (language() === 'zh' ? 'CNY' : 'USD');
}

export function prices(): PriceRow | undefined {
  return server.info.prices?.[currency()];
}
