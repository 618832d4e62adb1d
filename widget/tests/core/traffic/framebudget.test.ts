import { expect, test } from 'vitest';
import { FrameBudget } from '../../../src/core/traffic/framebudget';

/** A budget that gains `bytes` a second. */
function budgetOf(bytes: number): FrameBudget {
  const budget = new FrameBudget(0);
  budget.setRate((bytes * 8) / 0.92);
  return budget;
}

test('bytes come at the rate, and little of it is saved up', () => {
  const budget = budgetOf(1_000_000);
  budget.spend(budget.available(0));
  expect(budget.available(10)).toBeCloseTo(10_000);
  expect(budget.available(20)).toBeCloseTo(20_000);
  expect(budget.available(10_000)).toBeCloseTo(63_000);
});

test('a frame may overdraw it, and the next one waits', () => {
  const budget = budgetOf(100_000);
  budget.spend(13_000);
  expect(budget.available(50)).toBeLessThan(0);
  expect(budget.available(150)).toBeGreaterThan(0);
});

test('much that waits leaves in few frames, and little at once', () => {
  const budget = budgetOf(1_000_000);
  budget.spend(budget.available(0));
  expect(budget.isEnough(100_000, 4)).toBe(false);
  expect(budget.isEnough(3_000, 4)).toBe(true);
  expect(budget.isEnough(100_000, 9)).toBe(true);
});
