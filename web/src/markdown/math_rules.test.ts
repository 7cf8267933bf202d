import MarkdownIt from 'markdown-it';
import { describe, expect, it } from 'vitest';
import { mathRules } from './math_rules';

const md = new MarkdownIt({ html: false }).use(mathRules);

/** The TeX found in a text, blocks in brackets. */
function texOf(source: string): string[] {
  const found = md
    .render(source)
    .matchAll(/<(span|div) class="math (\w+)(?: short)?" data-tex="([^"]*)"/g);
  return [...found].map(([, element, kind, tex]) =>
    element === 'div' ? `[${tex}]` : kind === 'display' ? `{${tex}}` : tex!,
  );
}

describe('TeX in Markdown', () => {
  it('is found between each pair of signs', () => {
    expect(texOf('a $x_1$ b \\(y\\) c')).toEqual(['x_1', 'y']);
    expect(texOf('$$\na\n+ b\n$$')).toEqual(['[a\n+ b]']);
    expect(texOf('\\[ z \\]')).toEqual(['[z]']);
    expect(texOf('inline $$z$$ here')).toEqual(['{z}']);
  });

  it('is not money, nor an escaped sign', () => {
    expect(texOf('It costs $5 and $6.')).toEqual([]);
    expect(texOf('from $5 to $10')).toEqual([]);
    expect(texOf('\\$x\\$ and $ x $')).toEqual([]);
  });

  it('keeps escaped signs inside', () => {
    expect(texOf('$a\\$b$')).toEqual(['a\\$b']);
  });

  it('leaves code alone', () => {
    expect(texOf('`$x$`\n\n```\n$$y$$\n```')).toEqual([]);
  });

  it('waits for its end', () => {
    expect(texOf('$$\na')).toEqual([]);
    expect(texOf('\\[ a')).toEqual([]);
  });

  it('stands in lists, quotes and tables', () => {
    expect(texOf('- $a$\n> $b$\n')).toEqual(['a', 'b']);
    expect(texOf('| x |\n|---|\n| $c$ |')).toEqual(['c']);
  });

  it('is kept on one line where it is short', () => {
    expect(md.render('$x = 2$')).toContain('class="math inline short"');
    expect(md.render('$a_1 + a_2 + a_3 + a_4 + a_5 = 0$')).toContain('class="math inline"');
  });

  it('does not let HTML out of its attribute', () => {
    expect(md.render('$x"><img src=x>$')).toContain('data-tex="x&quot;&gt;&lt;img src=x&gt;"');
  });
});
