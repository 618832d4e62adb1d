import { expect, test } from 'vitest';
import { RATE_TEST_AHEAD_BYTES as AHEAD } from '../../../src/core/limits';
import { allowance, RateMeter } from '../../../src/core/traffic/ratemeter';

test('the rate is that of the second half of what arrived', () => {
  const meter = new RateMeter(10);
  meter.take(100_000, 11);
  meter.take(500_000, 12);
  meter.take(1_000_000, 12.4);
  expect(meter.mbit(12.4)).toBeCloseTo(10);
  expect(meter.bytes).toBe(1_000_000);
});

test('silence at the end counts', () => {
  const meter = new RateMeter(0);
  meter.take(4096, 0.1);
  meter.take(8192, 0.2);
  expect(meter.mbit(1.1)).toBeCloseTo(0.033, 3);
});

test('one message counts with all of the time, and none is unknown', () => {
  const meter = new RateMeter(0);
  expect(meter.mbit(1)).toBe(null);
  meter.take(12_500, 0.5);
  expect(meter.mbit(0.5)).toBeCloseTo(0.2);
  expect(meter.mbit(1)).toBeCloseTo(0.1);
});

test('a total that does not grow is nothing new', () => {
  const meter = new RateMeter(0);
  for (const total of [0, 5, 5, 4]) meter.take(total, 1);
  expect(meter.bytes).toBe(5);
});

/** `tests/wire/test_ratetest.py` has the same cases. */
test.each([
  [0, 0, AHEAD],
  [0, 1, AHEAD],
  [AHEAD, 0.3, 2 * AHEAD],
  [3 * AHEAD, 0.6, 4 * AHEAD],
  [500_000, 1, 500_000],
  [500_000, 2, 250_000],
  [60_000, 1.5, AHEAD + 15_000],
  [1_000_000, 8, AHEAD + 250_000],
])('after %i bytes in %d s so much more may be under way: %i', (got, elapsed_s, bytes) => {
  expect(allowance(got, elapsed_s)).toBe(bytes);
  const meter = new RateMeter(5);
  meter.take(got, 5);
  expect(meter.allowance(5 + elapsed_s)).toBe(bytes);
});
