/** Checks on values that `JSON.parse` returned. Each check returns the value with its type, or throws
 * PeerError.
 *
 * Objects are read through their own keys only, so `__proto__` is an unknown key like any other.
 * JavaScript cannot tell 1.0 from 1, so both count as integers here; Python takes only 1.
 */

import { PeerError } from '../errors';

/** The keys and values of one JSON object. */
export type Fields = ReadonlyMap<string, unknown>;

const malformed = (what: string): never => {
  throw new PeerError('malformed', what);
};

/** Parse JSON text that must be one object. */
export function parse(text: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return malformed('not JSON');
  }
  return fields(value);
}

/** Require an object. */
export function fields(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return malformed('not an object');
  }
  return new Map(Object.entries(value));
}

/** Require that `value` has no keys but `names`. */
export function onlyKeys(value: Fields, ...names: readonly string[]): void {
  for (const name of value.keys()) {
    if (!names.includes(name)) malformed('an unknown field');
  }
}

/** Require a string of `min` to `max` code points that matches `pattern`. */
export function text(value: unknown, min: number, max: number, pattern?: RegExp): string {
  if (typeof value !== 'string' || value.length > 2 * max) return malformed('not a short text');
  const points = [...value].length;
  if (points < min || points > max || (pattern && !pattern.test(value))) malformed('a bad text');
  return value;
}

/** Require an integer from `min` to `max`. */
export function integer(value: unknown, min: number, max: number): number {
  if (!Number.isSafeInteger(value)) return malformed('not an integer');
  const given = value as number;
  return given >= min && given <= max ? given : malformed('an integer out of range');
}

/** Require a finite number from `min` to `max`. */
export function number(value: unknown, min: number, max: number): number {
  return typeof value === 'number' && value >= min && value <= max
    ? value
    : malformed('not a number in range');
}

/** Require true or false. */
export function boolean(value: unknown): boolean {
  return typeof value === 'boolean' ? value : malformed('neither true nor false');
}

/** Require an array of `min` to `max` items, and read each item with `read`. */
export function list<T>(
  value: unknown,
  min: number,
  max: number,
  read: (item: unknown) => T,
): readonly T[] {
  if (!Array.isArray(value) || value.length < min || value.length > max) {
    return malformed('not a list of the right length');
  }
  return Object.freeze(value.map((item) => read(item)));
}

/** Require one of the strings in `options`. */
export function oneOf<T extends string>(value: unknown, options: readonly T[]): T {
  return options.find((option) => option === value) ?? malformed('not one of the known words');
}
