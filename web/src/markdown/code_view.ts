// A block of code: a head with its language and a copy button, and the text in parts of some lines,
// so that a long block that grows or is coloured changes in small pieces.
import { t } from '../i18n/index.svelte';
import { copyText } from '../ui/clipboard';
import { highlight } from './highlight';
import { schedule } from './schedule';
import type { Stretch } from './stretches';

const kPartLines = 16;
/** While code grows it is coloured anew after this many times the time that colouring last took. */
const kRestFactor = 6;
const kLongestRestMs = 500;

interface Part {
  element: HTMLElement;
  text: string;
  /** What the part shows, to leave it alone when nothing changed. */
  shown: string;
}

const views = new WeakMap<Node, CodeView>();

export class CodeView {
  private readonly code = document.createElement('code');
  private readonly label = document.createElement('span');
  private parts: Part[] = [];
  private language = '';
  private text = '';
  private colouring = false;
  private restUntil = 0;

  static of(node: Node): CodeView | undefined {
    return views.get(node);
  }

  /** Takes over `root`, a div.code, and fills it. */
  constructor(readonly root: HTMLElement) {
    const copy = document.createElement('button');
    copy.type = 'button';
    copy.className = 'copy';
    copy.textContent = t('copy');
    copy.setAttribute('aria-label', t('copyCode'));
    copy.addEventListener('click', () => void this.copy(copy));
    const head = document.createElement('div');
    head.className = 'code-head';
    head.append(this.label, copy);
    const pre = document.createElement('pre');
    pre.tabIndex = 0;
    pre.append(this.code);
    root.replaceChildren(head, pre);
    views.set(root, this);
  }

  private async copy(button: HTMLElement): Promise<void> {
    if (!(await copyText(this.text))) return;
    button.textContent = t('copied');
    setTimeout(() => (button.textContent = t('copy')), 1600);
  }

  update(language: string, text: string): void {
    if (language !== this.language) {
      this.language = language;
      this.label.textContent = language;
    }
    if (text === this.text) return;
    this.text = text;
    this.showParts(splitLines(text));
    this.colour();
  }

  private showParts(texts: string[]): void {
    while (this.parts.length > texts.length) this.parts.pop()!.element.remove();
    texts.forEach((text, index) => {
      const part = this.parts[index];
      if (!part) this.parts.push(this.addPart(text));
      else if (part.text !== text) {
        // What is coloured already stays so; the new end is plain until its turn.
        if (text.startsWith(part.text)) part.element.append(text.slice(part.text.length));
        else part.element.textContent = text;
        part.text = text;
        part.shown = '';
      }
    });
  }

  private addPart(text: string): Part {
    const element = document.createElement('span');
    element.className = 'part';
    element.textContent = text;
    this.code.append(element);
    return { element, text, shown: '' };
  }

  private colour(): void {
    if (!this.language || this.colouring) return;
    this.colouring = true;
    const rest = Math.max(0, this.restUntil - performance.now());
    if (rest > 0) setTimeout(() => void this.colourNow(), rest);
    else void this.colourNow();
  }

  private async colourNow(): Promise<void> {
    const { text } = this;
    const started = performance.now();
    const stretches = await highlight(this.language, text);
    const now = performance.now();
    this.restUntil = now + Math.min(kLongestRestMs, kRestFactor * (now - started));
    this.showStretches(text, stretches);
    this.colouring = false;
    if (this.text !== text) this.colour();
  }

  /** Colours the parts that still show what was coloured, a part at a time. */
  private showStretches(text: string, stretches: Stretch[]): void {
    let from = 0;
    let first = 0;
    for (const [index, partText] of splitLines(text).entries()) {
      const to = from + partText.length;
      while (first < stretches.length && stretches[first]![1] <= from) first++;
      let last = first;
      while (last < stretches.length && stretches[last]![0] < to) last++;
      const own = stretches.slice(first, last);
      const start = from;
      schedule(this.root, () => this.colourPart(index, partText, start, own));
      from = to;
    }
  }

  private colourPart(index: number, text: string, start: number, stretches: Stretch[]): void {
    const part = this.parts[index];
    if (!part || !part.text.startsWith(text)) return;
    const shown = stretches.map(([a, b, c]) => `${a - start},${b - start},${c}`).join(';');
    if (part.shown === shown) return;
    const pieces: (Node | string)[] = [];
    let at = 0;
    for (const [from, to, className] of stretches) {
      const begin = Math.max(0, from - start);
      const end = Math.min(text.length, to - start);
      if (begin > at) pieces.push(text.slice(at, begin));
      const span = document.createElement('span');
      span.className = className;
      span.textContent = text.slice(begin, end);
      pieces.push(span);
      at = end;
    }
    pieces.push(part.text.slice(at));
    part.element.replaceChildren(...pieces);
    if (part.text === text) part.shown = shown;
  }
}

/** Cuts after every kPartLines lines. */
function splitLines(text: string): string[] {
  const parts: string[] = [];
  let from = 0;
  let lines = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) {
    if (++lines % kPartLines !== 0) continue;
    parts.push(text.slice(from, at + 1));
    from = at + 1;
  }
  if (from < text.length) parts.push(text.slice(from));
  return parts;
}
