import { expect, test } from 'vitest';
import { REACHES, UNUSED } from '../../../src/core/switch/report';
import en from '../../../src/words/en.json';

test('every reach has its sentence', () => {
  expect(Object.keys(en.reach)).toEqual([...REACHES]);
});

test('at first nothing is claimed, and nothing can be added', () => {
  expect(UNUSED).toEqual({ reach: null, demand: null, failed: 0, helped_at_s: null, waits_since_s: null, rates: null, untested: null });
  expect(UNUSED).toSatisfy(Object.isFrozen);
});
