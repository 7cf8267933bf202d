// TeX in Markdown: $...$ and \(...\) inline, $$...$$ and \[...\] as blocks or inline. What is found
// becomes an element with the source in `data-tex`; KaTeX fills it in later.
import type MarkdownIt from 'markdown-it';
import type { RuleBlock } from 'markdown-it/lib/parser_block.mjs';
import type { RuleInline } from 'markdown-it/lib/parser_inline.mjs';

const kDelimiters = [
  { open: '$$', close: '$$', display: true },
  { open: '\\[', close: '\\]', display: true },
  { open: '\\(', close: '\\)', display: false },
  { open: '$', close: '$', display: false },
];

const inlineMath: RuleInline = (state, silent) => {
  const delimiter = kDelimiters.find((d) => state.src.startsWith(d.open, state.pos));
  if (!delimiter) return false;
  const start = state.pos + delimiter.open.length;
  const end = closing(state.src, start, delimiter.close);
  if (end < 0 || end > state.posMax) return false;
  const tex = state.src.slice(start, end);
  if (tex.trim() === '') return false;
  if (delimiter.open === '$' && !looksLikeMath(tex, state.src[end + 1])) return false;
  if (!silent) {
    const token = state.push('math', '', 0);
    token.content = tex.trim();
    token.markup = delimiter.display ? 'display' : 'inline';
  }
  state.pos = end + delimiter.close.length;
  return true;
};

/** "$5 and $6" is money: no space inside the signs, no digit after the second. */
function looksLikeMath(tex: string, after: string | undefined): boolean {
  return !/^\s|\s$/.test(tex) && !/\d/.test(after ?? '') && !tex.includes('\n\n');
}

function closing(source: string, from: number, close: string): number {
  for (let at = source.indexOf(close, from); at >= 0; at = source.indexOf(close, at + 1)) {
    let slashes = 0;
    while (source[at - 1 - slashes] === '\\') slashes++;
    if (slashes % 2 === 0) return at;
  }
  return -1;
}

const blockMath: RuleBlock = (state, startLine, endLine, silent) => {
  const start = state.bMarks[startLine]! + state.tShift[startLine]!;
  const delimiter = kDelimiters.find((d) => d.display && state.src.startsWith(d.open, start));
  if (!delimiter) return false;
  const from = start + delimiter.open.length;
  const end = closing(state.src, from, delimiter.close);
  if (end < 0 || end > state.eMarks[endLine - 1]!) return false;
  let line = startLine;
  while (state.eMarks[line]! < end) line++;
  // Text after the closing sign: a paragraph with inline TeX.
  if (state.src.slice(end + delimiter.close.length, state.eMarks[line]).trim() !== '') return false;
  if (silent) return true;
  const token = state.push('math', '', 0);
  token.content = state.src.slice(from, end).trim();
  token.markup = 'display';
  token.map = [startLine, line + 1];
  token.block = true;
  state.line = line + 1;
  return true;
};

/** A formula of no more TeX than this stays on one line; a longer one may break at a relation. */
const kShort = 24;

export function mathRules(md: MarkdownIt): void {
  md.inline.ruler.before('escape', 'math', inlineMath);
  md.block.ruler.before('fence', 'math', blockMath, { alt: ['paragraph', 'blockquote', 'list'] });
  md.renderer.rules.math = (tokens, index) => {
    const { content, markup, block } = tokens[index]!;
    const tex = md.utils.escapeHtml(content);
    const element = block ? 'div' : 'span';
    const short = content.length <= kShort ? ' short' : '';
    return `<${element} class="math ${markup}${short}" data-tex="${tex}">${tex}</${element}>`;
  };
}
