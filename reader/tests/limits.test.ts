import { expect, test } from 'vitest';
import { vectors } from '../../widget/tests/vectors';
import * as limits from '../src/limits';

test('limits are those of the Python side', () => {
  const { limits: shared } = vectors<{ limits: Record<string, number> }>('gateway_frames');
  expect(Object.keys(shared).length).toBeGreaterThan(5);
  expect(limits).toMatchObject(shared);
});
