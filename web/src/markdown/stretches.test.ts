import { describe, expect, it } from 'vitest';
import { stretchesOf } from './stretches';

describe('stretchesOf', () => {
  it('gives positions in the text, entities counting as one', () => {
    const html = '<span class="a">if</span> x &lt; <span class="b">&quot;y&quot;</span>';
    expect(stretchesOf(html)).toEqual([
      [0, 2, 'a'],
      [7, 10, 'b'],
    ]);
  });

  it('takes the innermost of nested spans', () => {
    const html = '<span class="a">x<span class="b">y</span>z</span>';
    expect(stretchesOf(html)).toEqual([
      [0, 1, 'a'],
      [1, 2, 'b'],
      [2, 3, 'a'],
    ]);
  });
});
