import { expect, test } from 'vitest';
import { PeerError } from '../../../src/core/errors';
import { RATE_TEST_BYTES } from '../../../src/core/limits';
import { down, got, readGot } from '../../../src/core/wire/ratetest';

test('what is said has the form of docs/PROTOCOL.md', () => {
  expect(JSON.parse(down(5))).toEqual({ type: 'down', bytes: 5 });
  expect(readGot(got(RATE_TEST_BYTES))).toBe(RATE_TEST_BYTES);
});

test.each([
  ['}{'],
  ['[]'],
  ['null'],
  ['{"type":"down","bytes":1}'],
  ['{"type":"got"}'],
  ['{"type":"got","bytes":-1}'],
  ['{"type":"got","bytes":1.5}'],
  ['{"type":"got","bytes":2000001}'],
  ['{"type":"got","bytes":1,"more":1}'],
  [' '.repeat(129)],
])('%s is refused', (text) => {
  expect(() => readGot(text)).toThrow(PeerError);
});
