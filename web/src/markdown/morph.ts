// Makes the children of one node like those of another, changing only what differs: what a reader
// has selected, and what was filled in (code, TeX), stays as it is while an answer grows.
import { CodeView } from './code_view';

export function morphChildren(target: Node, source: Node): void {
  let old = target.firstChild;
  let fresh = source.firstChild;
  while (fresh) {
    const next: ChildNode | null = fresh.nextSibling;
    if (!old) target.appendChild(fresh);
    else {
      const after: ChildNode | null = old.nextSibling;
      if (!morphNode(old, fresh)) target.replaceChild(fresh, old);
      old = after;
    }
    fresh = next;
  }
  while (old) {
    const after: ChildNode | null = old.nextSibling;
    old.remove();
    old = after;
  }
}

/** False if `old` cannot become `fresh` and has to be replaced. */
function morphNode(old: Node, fresh: Node): boolean {
  if (old.nodeName !== fresh.nodeName) return false;
  if (old instanceof Text && fresh instanceof Text) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return true;
  }
  if (!(old instanceof HTMLElement) || !(fresh instanceof HTMLElement)) return false;
  const view = CodeView.of(old);
  if (view) {
    if (!fresh.classList.contains('code')) return false;
    view.update(fresh.dataset.lang ?? '', fresh.textContent ?? '');
    return true;
  }
  if (fresh.classList.contains('code')) return false;
  if (old.dataset.tex !== undefined || fresh.dataset.tex !== undefined) {
    return old.dataset.tex === fresh.dataset.tex && old.className === fresh.className;
  }
  syncAttributes(old, fresh);
  morphChildren(old, fresh);
  return true;
}

function syncAttributes(old: HTMLElement, fresh: HTMLElement): void {
  for (const { name } of [...old.attributes])
    if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}
