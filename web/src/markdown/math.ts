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
  try {
    loaded.render(tex, element, {
      displayMode: element.classList.contains('display'),
      throwOnError: true,
      trust: false,
      strict: 'ignore',
      maxSize: 40,
      maxExpand: 500,
    });
  } catch (error) {
    showSource(element, tex, (error as Error).message);
  }
}

/** What KaTeX cannot read stays as it was written, with the reason at the pointer. */
function showSource(element: HTMLElement, tex: string, reason: string): void {
  const source = document.createElement('code');
  source.className = 'tex-error';
  source.title = reason;
  source.textContent = tex;
  element.replaceChildren(source);
}
