import { expect, test } from 'vitest';
import * as limits from '../../src/core/limits';
import { vectors } from '../vectors';

test('limits are those of the Python side', () => {
  const shared = vectors<Record<string, number>>('limits');
  expect(Object.keys(shared).length).toBeGreaterThan(5);
  expect(limits).toMatchObject(shared);
});
