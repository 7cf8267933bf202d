// The body of a chat request. That of a long conversation is written in pieces, so that the page can
// draw and take input in between; nothing copies it as a whole on the page's thread.
import type { ChatRequest } from './types';

const kPieceChars = 50_000;

export async function requestBody(request: ChatRequest): Promise<string | Blob> {
  const { messages, ...rest } = request;
  const chars = messages.reduce((sum, { content }) => sum + (content?.length ?? 0), 0);
  if (chars < kPieceChars) return JSON.stringify(request);
  const parts: Blob[] = [];
  let piece = `${JSON.stringify(rest).slice(0, -1)},"messages":[`;
  for (const [index, message] of messages.entries()) {
    if (index > 0) piece += ',';
    piece += JSON.stringify(message);
    if (piece.length < kPieceChars) continue;
    parts.push(new Blob([piece]));
    piece = '';
    await new Promise((next) => setTimeout(next));
  }
  return new Blob([...parts, piece, ']}']);
}
