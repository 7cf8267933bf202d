// The wire shapes of the chat API, as far as the page uses them.

export interface ToolCall {
  id: string;
  type: 'function';
  function: { name: string; arguments: string };
}

export interface WireMessage {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string;
  tool_calls?: ToolCall[];
  tool_call_id?: string;
  /** The answer goes on from this text; only under /beta, only on the last message. */
  prefix?: boolean;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_cache_hit_tokens?: number;
  prompt_cache_miss_tokens?: number;
  completion_tokens_details?: {
    accepted_prediction_tokens?: number;
    rejected_prediction_tokens?: number;
  };
}

export interface ToolCallDelta {
  index: number;
  id?: string;
  function?: { name?: string; arguments?: string };
}

export interface Chunk {
  choices: {
    delta: { content?: string | null; tool_calls?: ToolCallDelta[] };
    finish_reason: string | null;
  }[];
  usage?: Usage | null;
  error?: { message: string; type?: string; code?: string };
}

export interface ChatRequest {
  model: string;
  messages: WireMessage[];
  stream: true;
  stream_options: { include_usage: true };
  temperature?: number;
  top_p?: number;
  max_tokens?: number;
  frequency_penalty?: number;
  presence_penalty?: number;
  stop?: string[];
  seed?: number;
  response_format?: { type: 'json_object' };
  tools?: unknown[];
  tool_choice?: string;
  speculation?: boolean;
}

export interface Balance {
  currency: 'CNY' | 'USD';
  total_balance: string;
  granted_balance: string;
  topped_up_balance: string;
}

/** Per million tokens, as decimal strings. */
export interface PriceRow {
  input_cache_hit: string;
  input_cache_miss: string;
  output: string;
  /** When this price ends, if it is known (RFC 3339). */
  until?: string | null;
}

export interface Defaults {
  temperature: number;
  top_p: number;
  max_tokens: number;
  frequency_penalty: number;
  presence_penalty: number;
}

/** What GET /fathom/info says of the server. */
export interface ServerInfo {
  model: string;
  name: string;
  context_length: number;
  max_tokens: number;
  defaults: Defaults;
  api_key_required: boolean;
  speculation: boolean;
  prices: Record<string, PriceRow> | null;
}
