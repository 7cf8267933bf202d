// Markdown to HTML: CommonMark with GFM's tables and strikethrough, and TeX. No HTML of the
// answer's own passes; images become a note, for nothing may be loaded from elsewhere.
import MarkdownIt from 'markdown-it';
import type Token from 'markdown-it/lib/token.mjs';
import { t } from '../i18n/index.svelte';
import { mathRules } from './math_rules';

const md = new MarkdownIt({ html: false, linkify: true, breaks: false, typographer: false });
md.use(mathRules);
// Bare words like "node.js" are no links; full addresses are.
md.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
md.validateLink = (url) => /^(https?:|mailto:)/i.test(url.trim());

const escape = md.utils.escapeHtml;

md.renderer.rules.link_open = (tokens, index, options, _env, self) => {
  tokens[index]!.attrSet('target', '_blank');
  tokens[index]!.attrSet('rel', 'noopener noreferrer nofollow');
  tokens[index]!.attrSet('title', tokens[index]!.attrGet('href') ?? '');
  return self.renderToken(tokens, index, options);
};

md.renderer.rules.image = (tokens, index) => {
  const token = tokens[index]!;
  const alt = token.content || token.attrGet('src') || '';
  return `<span class="no-image">${escape(t('image', { alt }))}</span>`;
};

// Alignment by class: a style attribute would need a weaker content security policy.
for (const name of ['th_open', 'td_open'] as const) {
  md.renderer.rules[name] = (tokens, index, options, _env, self) => {
    const token = tokens[index]!;
    const align = /text-align:(\w+)/.exec(token.attrGet('style') ?? '')?.[1];
    token.attrs = align ? [['class', `align-${align}`]] : null;
    return self.renderToken(tokens, index, options);
  };
}

md.renderer.rules.table_open = () => '<div class="table" tabindex="0"><table>';
md.renderer.rules.table_close = () => '</table></div>';

const codeBox = (language: string, text: string) =>
  `<div class="code" data-lang="${escape(language)}">${escape(text)}</div>`;
md.renderer.rules.fence = (tokens, index) =>
  codeBox(languageOf(tokens[index]!), tokens[index]!.content);
md.renderer.rules.code_block = (tokens, index) => codeBox('', tokens[index]!.content);

function languageOf(fence: Token): string {
  return fence.info.trim().split(/\s+/, 1)[0] ?? '';
}

/** A top-level block: code goes its own way, for it may be long and grow fast. */
export type Block =
  { kind: 'code'; language: string; text: string } | { kind: 'html'; html: string };

export interface PlacedBlock {
  block: Block;
  /** Index of the block's first line in the source it was parsed from. */
  line: number;
}

export function parseBlocks(source: string): PlacedBlock[] {
  const env = {};
  const tokens = md.parse(source, env);
  const blocks: PlacedBlock[] = [];
  let start = 0;
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (token.level !== 0 || token.nesting === 1) continue;
    const group = tokens.slice(start, i + 1);
    const line = group[0]!.map?.[0] ?? 0;
    start = i + 1;
    if (token.type === 'fence') {
      blocks.push({
        line,
        block: { kind: 'code', language: languageOf(token), text: token.content },
      });
    } else {
      blocks.push({
        line,
        block: { kind: 'html', html: md.renderer.render(group, md.options, env) },
      });
    }
  }
  return blocks;
}
