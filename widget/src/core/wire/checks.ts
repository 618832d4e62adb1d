/** Checks on values out of `JSON.parse`. Each returns the value, typed, or throws PeerError.
 *
 * Values are only ever read through own keys, so `__proto__` and its like are ordinary unknown
 * keys here. JavaScript cannot tell 1.0 from 1: both are integers, unlike in Python.
 */

import { PeerError } from '../errors';

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

export function fields(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return malformed('not an object');
  }
  return new Map(Object.entries(value));
}

/** Require that `value` has no other keys than these. */
export function onlyKeys(value: Fields, ...names: readonly string[]): void {
  for (const name of value.keys()) {
    if (!names.includes(name)) malformed('an unknown field');
  }
}

/** A string of `min` to `max` code points that matches `pattern`. */
export function text(value: unknown, min: number, max: number, pattern?: RegExp): string {
  if (typeof value !== 'string' || value.length > 2 * max) return malformed('not a short text');
  const points = [...value].length;
  if (points < min || points > max || (pattern && !pattern.test(value))) malformed('a bad text');
  return value;
}

/** An integer, `min` ≤ value ≤ `max`. */
export function integer(value: unknown, min: number, max: number): number {
  if (!Number.isSafeInteger(value)) return malformed('not an integer');
  const number = value as number;
  return number >= min && number <= max ? number : malformed('an integer out of range');
}

/** A finite number, `min` ≤ value ≤ `max`. */
export function number(value: unknown, min: number, max: number): number {
  return typeof value === 'number' && value >= min && value <= max
    ? value
    : malformed('not a number in range');
}

export function boolean(value: unknown): boolean {
  return typeof value === 'boolean' ? value : malformed('neither true nor false');
}

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

export function oneOf<T extends string>(value: unknown, options: readonly T[]): T {
  return options.find((option) => option === value) ?? malformed('not one of the known words');
}
