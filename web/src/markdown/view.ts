// Shows Markdown that may still grow. Blocks that cannot change any more are left alone; only the
// last one is rendered again.
import { CodeView } from './code_view';
import { renderMath } from './math';
import { morphChildren } from './morph';
import { parseBlocks, type Block, type PlacedBlock } from './parser';
import { sanitize } from './sanitize';
import { schedule } from './schedule';

export class MarkdownView {
  private text = '';
  private complete = false;
  /** The blocks on show and the elements that hold them. */
  private blocks: Block[] = [];
  private elements: HTMLElement[] = [];
  /** So many blocks, which cover so much of the text, will not change while the text grows. */
  private settledBlocks = 0;
  private settledChars = 0;

  constructor(private readonly root: HTMLElement) {}

  /** `growing`: more is to come. */
  update(text: string, growing: boolean): void {
    if (text.includes('\r')) text = text.replace(/\r\n?/g, '\n');
    if (text === this.text && this.complete === !growing) return;
    if (!text.startsWith(this.text)) this.settledBlocks = this.settledChars = 0;
    const first = this.text === '';
    this.text = text;
    this.complete = !growing;
    if (growing) this.showGrowing(text);
    else if (first) schedule(this.root, () => this.showInPieces(text));
    // The whole once more at the end: what came late may bear on what came before (references).
    else this.showFrom(0, parseBlocks(text));
  }

  /** Shows what is not settled, then settles what can no longer change. */
  private showGrowing(text: string): void {
    const tail = text.slice(this.settledChars);
    const placed = parseBlocks(tail);
    this.showFrom(this.settledBlocks, placed);
    if (placed.length < 2) return;
    // A block is final once the first line of the next one is complete: until then that line may
    // turn out to belong to it.
    const start = lineStart(tail, placed.at(-1)!.line);
    if (tail.indexOf('\n', start) < 0) return;
    this.settledBlocks += placed.length - 1;
    this.settledChars += start;
  }

  private showFrom(from: number, placed: PlacedBlock[]): void {
    placed.forEach(({ block }, index) => this.show(from + index, block));
    this.drop(from + placed.length);
  }

  /** A text that is whole from the start is shown a block at a time. */
  private showInPieces(text: string): void {
    if (text !== this.text) return;
    parseBlocks(text).forEach(({ block }, index) => {
      schedule(this.root, () => {
        if (text === this.text) this.show(index, block);
      });
    });
  }

  private drop(count: number): void {
    this.blocks.length = Math.min(this.blocks.length, count);
    for (const element of this.elements.splice(count)) element.remove();
  }

  private show(index: number, block: Block): void {
    const old = this.blocks[index];
    this.blocks[index] = block;
    if (block.kind === 'code') {
      this.elementFor(index, old, block);
      CodeView.of(this.elements[index]!)!.update(block.language, block.text);
    } else if (old?.kind !== 'html' || old.html !== block.html) {
      const element = this.elementFor(index, old, block);
      morphChildren(element, sanitize(block.html));
      fillIn(element);
    }
  }

  private elementFor(index: number, old: Block | undefined, block: Block): HTMLElement {
    const present = this.elements[index];
    if (present && old?.kind === block.kind) return present;
    const element = document.createElement('div');
    element.className = block.kind === 'code' ? 'code' : 'block';
    if (block.kind === 'code') new CodeView(element);
    if (present) present.replaceWith(element);
    else this.root.append(element);
    this.elements[index] = element;
    return element;
  }
}

function fillIn(element: HTMLElement): void {
  for (const box of element.querySelectorAll<HTMLElement>('div.code')) {
    if (CodeView.of(box)) continue;
    const text = box.textContent ?? '';
    new CodeView(box).update(box.dataset.lang ?? '', text);
  }
  for (const math of element.querySelectorAll<HTMLElement>('.math')) {
    if (math.childElementCount === 0) renderMath(math);
  }
}

function lineStart(text: string, line: number): number {
  let at = 0;
  for (let i = 0; i < line; i++) at = text.indexOf('\n', at) + 1;
  return at;
}

/** Svelte action: shows `value.text` as Markdown. */
export function markdown(node: HTMLElement, value: { text: string; growing: boolean }) {
  const view = new MarkdownView(node);
  view.update(value.text, value.growing);
  return {
    update: (next: { text: string; growing: boolean }) => view.update(next.text, next.growing),
  };
}

/** Svelte action: shows `value.text` as one block of code. */
export function codeBlock(node: HTMLElement, value: { text: string; language: string }) {
  const view = new CodeView(node);
  view.update(value.language, value.text);
  return {
    update: (next: { text: string; language: string }) => view.update(next.language, next.text),
  };
}
