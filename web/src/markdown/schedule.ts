// Small pieces of work, done between frames a few milliseconds at a time: first what belongs to an
// element in or near the window, then the newest. The time of a piece is that of its layout too,
// which is asked for at once; painting takes about as long again.

const kBudgetMs = 6;

type Work = () => void;

const byElement = new Map<Element, Work[]>();
const near = new Set<Element>();
let running = false;

const watcher = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) near.add(target);
      else near.delete(target);
    }
  },
  { rootMargin: '600px' },
);

/** Does `work` soon. Works of one element are done in the order in which they were given. */
export function schedule(element: Element, work: Work): void {
  const tasks = byElement.get(element);
  if (tasks) tasks.push(work);
  else {
    byElement.set(element, [work]);
    watcher.observe(element);
  }
  if (!running) {
    running = true;
    requestAnimationFrame(runSome);
  }
}

function nextElement(): Element | undefined {
  for (const element of near) if (byElement.has(element)) return element;
  let last: Element | undefined;
  for (const element of byElement.keys()) last = element;
  return last;
}

function runSome(): void {
  const end = performance.now() + kBudgetMs;
  do {
    const element = nextElement();
    if (!element) {
      running = false;
      return;
    }
    const tasks = byElement.get(element)!;
    const work = tasks.shift()!;
    if (tasks.length === 0) {
      byElement.delete(element);
      near.delete(element);
      watcher.unobserve(element);
    }
    // What left the page meanwhile is no longer worth it.
    if (!element.isConnected) continue;
    work();
    element.getBoundingClientRect();
  } while (performance.now() < end);
  requestAnimationFrame(runSome);
}
