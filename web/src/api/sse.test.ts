import { describe, expect, it } from 'vitest';
import { SseParser, type SseLine } from './sse';

const kStream =
  ': keep-alive\n\ndata: {"a":"水深"}\n\ndata:two\r\n\r\nevent: x\nid: 1\ndata: three\ndata: lines\n\ndata: [DONE]\n\n';
const kExpected: SseLine[] = [
  { kind: 'comment', text: 'keep-alive' },
  { kind: 'data', data: '{"a":"水深"}' },
  { kind: 'data', data: 'two' },
  { kind: 'data', data: 'three\nlines' },
  { kind: 'data', data: '[DONE]' },
];

describe('SseParser', () => {
  const bytes = new TextEncoder().encode(kStream);

  it('reads a stream that is cut anywhere', () => {
    for (let cut = 0; cut <= bytes.length; cut++) {
      const parser = new SseParser();
      const lines = [...parser.feed(bytes.subarray(0, cut)), ...parser.feed(bytes.subarray(cut))];
      expect(lines).toEqual(kExpected);
    }
  });

  it('reads a stream that comes byte by byte', () => {
    const parser = new SseParser();
    expect([...bytes].flatMap((byte) => parser.feed(Uint8Array.of(byte)))).toEqual(kExpected);
  });

  it('gives nothing for an event that has not ended', () => {
    expect(new SseParser().feed(new TextEncoder().encode('data: half\n'))).toEqual([]);
  });
});
