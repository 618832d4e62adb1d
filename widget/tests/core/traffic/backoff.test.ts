import { expect, test } from 'vitest';
import { delay_s } from '../../../src/core/traffic/backoff';

test('the longest wait doubles from one second to one minute', () => {
  const longest = Array.from({ length: 9 }, (_, attempt) => delay_s(attempt, 1, 5));
  expect(longest).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
});

test('the wait is anywhere between nothing and the longest', () => {
  expect(delay_s(3, 0, 5)).toBe(0);
  expect(delay_s(3, 0.5, 5)).toBe(4);
});

test('a day of failures is not an overflow', () => {
  expect(delay_s(100_000, 1, 5)).toBe(60);
});

test('attempts before the first wait steadily', () => {
  expect([-30, -1].map((attempt) => delay_s(attempt, 0.5, 5))).toEqual([2.5, 2.5]);
});
