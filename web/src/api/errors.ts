/** What went wrong, in the terms that the page explains and acts on. */
export type ErrorKind =
  | 'key' // 401: no key, or a wrong one
  | 'balance' // 402
  | 'request' // 400, 422: the request itself
  | 'busy' // 429, 503
  | 'server' // other 5xx
  | 'network' // no answer at all
  | 'cut'; // the stream broke off before its end

export class ApiError extends Error {
  constructor(
    readonly kind: ErrorKind,
    message: string,
    readonly status = 0,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

export function kindOfStatus(status: number): ErrorKind {
  if (status === 401 || status === 403) return 'key';
  if (status === 402) return 'balance';
  if (status === 429 || status === 503) return 'busy';
  return status >= 500 ? 'server' : 'request';
}

/** Reads the API's error body, or makes do with the status line. */
export async function errorOf(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => '');
  let message = `${response.status} ${response.statusText}`.trim();
  try {
    const body = JSON.parse(text) as { error?: { message?: string } };
    message = body.error?.message ?? message;
  } catch {
    // Not the API's own answer (a proxy's page, say): the status has to do.
  }
  return new ApiError(kindOfStatus(response.status), message, response.status);
}
