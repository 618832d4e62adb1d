import { expect, test } from 'vitest';
import { RATE_TEST_AHEAD_BYTES } from '../../../src/core/limits';
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

test('more may be under way the more has arrived', () => {
  expect(allowance(0)).toBe(RATE_TEST_AHEAD_BYTES);
  expect(allowance(1_000_000)).toBe(RATE_TEST_AHEAD_BYTES + 250_000);
});
