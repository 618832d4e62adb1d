/** The vectors shared with the Python tests; `tests/vectors/make.py` writes them. */

import { readFileSync } from 'node:fs';

const FOLDER = new URL('../../tests/vectors/', import.meta.url);

export function vectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), 'utf8')) as T;
}

/** What anybody may send instead of a message. */
export const GARBAGE: readonly string[] = [
  '',
  '{',
  'null',
  '[]',
  '"x"',
  '{"type":1,"sdp":{}}',
  '{"__proto__":{"type":"welcome"}}',
  '{"type":"toString"}',
  '['.repeat(8000),
  'x'.repeat(2 ** 20),
  `{"type":"${'x'.repeat(2 ** 20)}"}`,
];
