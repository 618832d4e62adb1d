import { expect, test } from 'vitest';
import { Pace } from '../../src/links/pace';
import { DOOR_PAUSE_MS, SEALED_CHUNK_BYTES } from '../../src/limits';
import { integer, join } from '../../src/wire/integers';

const chunk = (size: number) => join([integer(size), new Uint8Array(size)]);
const NONCE = new Uint8Array(16);

test('an answer that comes byte by byte is followed: between its chunks the site may be silent', () => {
  const pace = new Pace(1);
  const seen: [hasChunk: boolean, isLast: boolean, isUnderWay: boolean][] = [];
  for (const byte of join([NONCE, chunk(100), chunk(16_000), Uint8Array.of(0), new Uint8Array(16)])) {
    pace.add(Uint8Array.of(byte), 0);
    seen.push([pace.hasChunk, pace.isLast, pace.left_ms < Infinity]);
  }
  const [nonce, first, second] = [16, 16 + 102, 16 + 102 + 16_002];
  expect(seen.map(([, , is], at) => (is ? -1 : at + 1)).filter((at) => at >= 0)).toEqual([nonce, first, second]);
  expect(seen.findIndex(([is]) => is) + 1).toBe(first);
  expect(seen.findIndex(([, is]) => is) + 1).toBe(second + 1);
});

test('before anything has come, and after the nonce, nothing is hurried', () => {
  const pace = new Pace(1);
  expect(pace.left_ms).toBe(Infinity);
  pace.add(NONCE, 60_000);
  expect(pace.left_ms).toBe(Infinity);
  pace.add(chunk(100).subarray(0, 1), 60_000);
  expect(pace.left_ms).toBe(DOOR_PAUSE_MS);
});

test.each([
  ['drips', 1, false],
  ['comes slowly', 1_100, true],
])('a chunk that %s', (_how, bytes, is) => {
  const pace = new Pace(1);
  pace.add(join([NONCE, integer(16_000)]), 0);
  for (let second = 0; second < 10 && pace.left_ms > 1_000; second++) pace.add(new Uint8Array(bytes), 1_000);
  expect(pace.left_ms > 1_000).toBe(is);
});

test('pauses grow with the factor', () => {
  const pace = new Pace(4);
  pace.add(join([NONCE, integer(16_000)]), 0);
  expect(pace.left_ms).toBe(4 * DOOR_PAUSE_MS);
});

test('what is longer than a chunk may be is left to whoever opens it', () => {
  const long = new Pace(1);
  long.add(join([NONCE, integer(SEALED_CHUNK_BYTES + 1)]), 0);
  expect(long.hasChunk).toBe(true);
  const last = new Pace(1);
  last.add(join([NONCE, Uint8Array.of(0), new Uint8Array(SEALED_CHUNK_BYTES)]), 0);
  expect(last.hasChunk).toBe(false);
  last.add(new Uint8Array(9), 0);
  expect(last.hasChunk).toBe(true);
  last.add(new Uint8Array(9), 0);
  expect(() => new Pace(1).add(join([NONCE, new Uint8Array(8).fill(255)]), 0)).toThrow('huge');
});
