// Coloured stretches of code, as the highlighter's worker sends them.

export interface HighlightRequest {
  id: number;
  language: string;
  text: string;
}

/** Text positions [from, to) and the class that colours them; in order, without overlap. */
export type Stretch = [from: number, to: number, className: string];

export interface HighlightAnswer {
  id: number;
  stretches: Stretch[];
}

/**
 * Reads the highlighter's HTML, which holds spans with a class, text and four entities only. Of
 * nested spans the innermost counts.
 */
export function stretchesOf(html: string): Stretch[] {
  const stretches: Stretch[] = [];
  const open: string[] = [];
  let at = 0;
  for (const [piece, className, close] of html.matchAll(
    /<span class="([^"]*)">|(<\/span>)|&(?:amp|lt|gt|quot|#x27);|[^<&]+/g,
  )) {
    if (className !== undefined) open.push(className);
    else if (close) open.pop();
    else {
      const length = piece.startsWith('&') ? 1 : piece.length;
      const inner = open.at(-1);
      const last = stretches.at(-1);
      if (inner && last && last[1] === at && last[2] === inner) last[1] = at + length;
      else if (inner) stretches.push([at, at + length, inner]);
      at += length;
    }
  }
  return stretches;
}
