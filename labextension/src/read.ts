/** Readers of JSON: each takes anything, and returns what it is for; what is not there, or something else, is empty. */

export type Reader<T> = (value: unknown) => T;
/** What a reader returns. */
export type Read<R> = R extends Reader<infer T> ? T : never;
export type Part = Record<string, unknown>;

export function isPart(value: unknown): value is Part {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export const text = (value: unknown): string => textOrNull(value) ?? '';

export const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null);

export const number = (value: unknown): number => numberOrNull(value) ?? 0;

export const numberOrNull = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;

export const isTrue = (value: unknown): boolean => value === true;

export const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

export const listOf =
  <T>(read: Reader<T>): Reader<T[]> =>
  value =>
    list(value).map(item => read(item));

/** Of a list of a known length. */
export const tuple =
  <T extends unknown[]>(...readers: { [At in keyof T]: Reader<T[At]> }): Reader<T> =>
  value =>
    readers.map((read, at) => read(list(value)[at])) as T;

/** Of an object with parts of known names. */
export const record =
  <T>(readers: { [Name in keyof T]: Reader<T[Name]> }): Reader<T> =>
  value =>
    mapped(readers as Record<string, Reader<unknown>>, (read, name) => read(isPart(value) ? value[name] : null)) as T;

/** Of an object with parts of any name. */
export const parts =
  <T>(read: Reader<T>): Reader<Record<string, T>> =>
  value =>
    mapped(isPart(value) ? value : {}, read);

function mapped<T, U>(all: Record<string, T>, make: (value: T, name: string) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(all).map(([name, value]) => [name, make(value, name)]));
}
