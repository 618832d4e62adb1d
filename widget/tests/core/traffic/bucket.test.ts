import { expect, test } from 'vitest';
import { Bucket } from '../../../src/core/traffic/bucket';

test('it begins full, may be overdrawn once, and is paid back at its rate', () => {
  const bucket = new Bucket(1000, 100, 0);
  expect(bucket.take(60, 0)).toBe(true);
  expect(bucket.take(90, 0)).toBe(true);
  expect(bucket.take(1, 0)).toBe(false);
  expect(bucket.wait_ms(0)).toBe(50);
  expect(bucket.take(1, 49)).toBe(false);
  expect(bucket.take(1, 50)).toBe(true);
});

test('after waiting as long as it says, something can be taken', () => {
  for (const rate of [0.3, 7, 12_500, 1_250_001.7]) {
    const bucket = new Bucket(rate, rate / 10, 5);
    let now_ms = 5;
    for (let step = 0; step < 200; step++) {
      now_ms += bucket.wait_ms(now_ms);
      expect(bucket.take(1 + ((step * 7919) % 16384), now_ms)).toBe(true);
    }
  }
});

test('quiet saves up no more than the burst', () => {
  const bucket = new Bucket(1000, 100, 0);
  expect(bucket.take(100, 1e9)).toBe(true);
  expect(bucket.take(1, 1e9)).toBe(true);
  expect(bucket.take(1, 1e9)).toBe(false);
});

test.each([100, 1_000, 20_000])('a minute of greed gets the rate, a look every %i µs', (step_us) => {
  const rate = 1_250_000;
  const bucket = new Bucket(rate, rate / 10, 0);
  let taken = 0;
  for (let now_us = 0; now_us <= 60_000_000; now_us += step_us) {
    while (bucket.take(16_384, now_us / 1000)) taken += 16_384;
  }
  expect(taken).toBeLessThanOrEqual(60 * rate + rate / 10 + 16_384);
  expect(taken).toBeGreaterThan(60 * rate * 0.995);
});

test('what is charged is taken whatever there is, and waited for a second at most', () => {
  const bucket = new Bucket(1_000, 100, 0);
  bucket.charge(600, 0);
  expect(bucket.wait_ms(0)).toBe(500);
  bucket.charge(10_000, 0);
  expect(bucket.wait_ms(0)).toBe(1_000);
  bucket.take(1, 1_000);
  expect(bucket.wait_ms(1_000)).toBe(1);
});
