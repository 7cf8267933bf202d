// What the browser's own trace says of the page's main thread.

const kCategories = ['toplevel', '__metadata'];

/** Traces the browser while `act` runs; returns the trace's events. */
export async function traced(browser, page, act) {
  await browser.startTracing(page, { categories: kCategories, screenshots: false });
  let events;
  try {
    await act();
  } finally {
    events = JSON.parse((await browser.stopTracing()).toString()).traceEvents;
  }
  return events;
}

/**
 * The main thread's tasks: how long each kept it, on the clock and (what a loaded machine changes
 * less) in processor time, in milliseconds, longest first.
 */
export function mainThreadTasks(events) {
  const pages = new Set();
  for (const event of events) {
    if (event.name === 'thread_name' && event.args.name === 'CrRendererMain')
      pages.add(`${event.pid}/${event.tid}`);
  }
  return events
    .filter(
      (event) =>
        /RunTask$/.test(event.name) && event.ph === 'X' && pages.has(`${event.pid}/${event.tid}`),
    )
    .map((event) => ({
      wallMs: event.dur / 1000,
      cpuMs: (event.tdur ?? event.dur) / 1000,
      at: event.ts,
    }))
    .sort((a, b) => b.cpuMs - a.cpuMs);
}

/** How many times longer work takes on the clock than in processor time: 1 on a quiet machine. */
export function contention() {
  const started = performance.now();
  const before = process.cpuUsage();
  let spent = 0;
  while (spent < 200_000) {
    const { user, system } = process.cpuUsage(before);
    spent = user + system;
  }
  return Math.max(1, ((performance.now() - started) * 1000) / spent);
}
