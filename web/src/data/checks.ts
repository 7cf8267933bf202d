// Says of what comes from outside whether it has the types that the page takes for granted.

export type Check = (value: unknown) => boolean;

export const text: Check = (value) => typeof value === 'string';
export const flag: Check = (value) => typeof value === 'boolean';
export const number: Check = (value) => Number.isFinite(value);

/** The farthest from 1970 that a Date reaches, in milliseconds; beyond it nothing can be formatted. */
const kLastDate = 8.64e15;
export const date: Check = (value) => number(value) && Math.abs(value as number) <= kLastDate;

export const oneOf =
  (...values: string[]): Check =>
  (value) =>
    values.includes(value as string);

export const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);

export const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const mapOf =
  (check: Check): Check =>
  (value) =>
    isObject(value) && Object.values(value).every(check);

export const shape =
  (fields: Record<string, Check>): Check =>
  (value) =>
    isObject(value) && Object.entries(fields).every(([name, check]) => check(value[name]));

/** The named fields of `from`; throws an Error that says which of them is wrong, and where. */
export function checkedFields<T>(from: unknown, fields: Record<keyof T, Check>, where: string): T {
  if (!isObject(from)) throw new Error(`${where} is ${shown(from)}`);
  const out: Record<string, unknown> = {};
  for (const [name, check] of Object.entries<Check>(fields)) {
    const value = from[name];
    if (!check(value)) throw new Error(`${where}.${name} is ${shown(value)}`);
    if (value !== undefined) out[name] = value;
  }
  return out as T;
}

const shown = (value: unknown) => (JSON.stringify(value) ?? 'missing').slice(0, 60);
