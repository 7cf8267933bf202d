// Server-sent events, as a stream of bytes that may be cut anywhere.

export type SseLine = { kind: 'data'; data: string } | { kind: 'comment'; text: string };

export class SseParser {
  private readonly decoder = new TextDecoder();
  private rest = '';
  private data: string[] = [];

  /** Takes the next bytes and returns what became complete with them. */
  feed(bytes: Uint8Array): SseLine[] {
    this.rest += this.decoder.decode(bytes, { stream: true });
    const out: SseLine[] = [];
    let start = 0;
    for (;;) {
      const end = this.lineEnd(start);
      if (end < 0) break;
      this.take(this.rest.slice(start, end), out);
      start = end + (this.rest.startsWith('\r\n', end) ? 2 : 1);
    }
    this.rest = this.rest.slice(start);
    return out;
  }

  /** The index of the next line's end, or -1 while it is not certain. */
  private lineEnd(start: number): number {
    for (let i = start; i < this.rest.length; i++) {
      const c = this.rest[i];
      if (c === '\n') return i;
      // A lone CR at the end may be half of CR LF.
      if (c === '\r') return i + 1 < this.rest.length ? i : -1;
    }
    return -1;
  }

  private take(line: string, out: SseLine[]): void {
    if (line === '') {
      if (this.data.length > 0) out.push({ kind: 'data', data: this.data.join('\n') });
      this.data = [];
    } else if (line.startsWith(':')) {
      out.push({ kind: 'comment', text: line.slice(1).trim() });
    } else if (line.startsWith('data:')) {
      this.data.push(line.slice(line[5] === ' ' ? 6 : 5));
    }
  }
}
