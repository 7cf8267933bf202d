import { describe, expect, it } from 'vitest';
import { requestBody } from './body';
import type { ChatRequest } from './types';

function requestOf(count: number): ChatRequest {
  const messages = Array.from({ length: count }, (_, i) => ({
    role: i % 2 === 0 ? ('user' as const) : ('assistant' as const),
    content: `${i} 四十英寻 "sand" \\ 😀 `.repeat(200),
  }));
  return { model: 'm', messages, stream: true, stream_options: { include_usage: true } };
}

describe('requestBody', () => {
  it('is a string for what is short', async () => {
    const request = requestOf(3);
    expect(await requestBody(request)).toBe(JSON.stringify(request));
  });

  it('says the same in pieces', async () => {
    for (const count of [15, 100, 101]) {
      const request = requestOf(count);
      const body = await requestBody(request);
      expect(body).toBeInstanceOf(Blob);
      expect(JSON.parse(await (body as Blob).text())).toEqual(request);
    }
  });
});
