// KaTeX, fetched when the first formula appears. It builds elements and sets their styles by
// script, which a strict content security policy allows.
import type katex from 'katex';

let loaded: typeof katex | undefined;
let loading: Promise<void> | undefined;

async function load(): Promise<void> {
  const [module] = await Promise.all([import('katex'), import('katex/dist/katex.min.css')]);
  loaded = module.default;
}

/** Fills in a `.math` element; its TeX stays readable until KaTeX is there. */
export function renderMath(element: HTMLElement): void {
  if (!loaded) {
    loading ??= load();
    void loading.then(() => renderMath(element));
    return;
  }
  const tex = element.dataset.tex ?? '';
  loaded.render(tex, element, {
    displayMode: element.classList.contains('display'),
    throwOnError: false,
    trust: false,
    strict: 'ignore',
    maxSize: 40,
    maxExpand: 500,
  });
}
