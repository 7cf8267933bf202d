// Short notices at the foot of the page.

export interface Toast {
  id: number;
  text: string;
  bad: boolean;
  action?: { label: string; run: () => void };
}

const kShownMs = 7000;
let next = 1;

export const toasts: Toast[] = $state([]);

export function toast(
  text: string,
  options: { bad?: boolean; action?: Toast['action'] } = {},
): void {
  const id = next++;
  toasts.push({ id, text, bad: options.bad ?? false, action: options.action });
  setTimeout(() => dismiss(id), kShownMs);
}

export function dismiss(id: number): void {
  const at = toasts.findIndex((t) => t.id === id);
  if (at >= 0) toasts.splice(at, 1);
}
