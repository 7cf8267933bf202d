// The page's side of the highlighter: one worker, started when the first code appears.
import type { HighlightAnswer, HighlightRequest, Stretch } from './stretches';

let worker: Worker | undefined;
let next = 1;
const waiting = new Map<number, (stretches: Stretch[]) => void>();

export function highlight(language: string, text: string): Promise<Stretch[]> {
  worker ??= startWorker();
  const request: HighlightRequest = { id: next++, language, text };
  return new Promise((resolve) => {
    waiting.set(request.id, resolve);
    worker!.postMessage(request);
  });
}

function startWorker(): Worker {
  const started = new Worker(new URL('./highlight.worker.ts', import.meta.url), { type: 'module' });
  started.addEventListener('message', (event: MessageEvent<HighlightAnswer>) => {
    waiting.get(event.data.id)?.(event.data.stretches);
    waiting.delete(event.data.id);
  });
  return started;
}
