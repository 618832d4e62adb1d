import { expect, test } from 'vitest';
import { FrameBudget } from '../../../src/core/traffic/framebudget';

test('bytes come at the rate, and a tenth of a second of it is saved up', () => {
  const budget = new FrameBudget(0);
  budget.rate_bit_s = 8_000_000;
  budget.spend(budget.available(0));
  expect(budget.available(10)).toBeCloseTo(10_000);
  expect(budget.available(20)).toBeCloseTo(20_000);
  expect(budget.available(10_000)).toBeCloseTo(103_000);
});

test('a frame may overdraw it, and the next one waits', () => {
  const budget = new FrameBudget(0);
  budget.rate_bit_s = 800_000;
  budget.spend(13_000);
  expect(budget.available(50)).toBeLessThan(0);
  expect(budget.available(150)).toBeGreaterThan(0);
});
