import { expect, test } from 'vitest';
import { Sparse } from '../../../src/core/traffic/sparse';

test('somebody who types sends few messages, and a fast stream sends many', () => {
  const sparse = new Sparse(0);
  for (let at_ms = 0; at_ms < 10_000; at_ms += 70) expect(sparse.add(at_ms)).toBe(true);
  const answers: boolean[] = [];
  for (let at_ms = 10_000; at_ms < 11_000; at_ms += 5) answers.push(sparse.add(at_ms));
  expect(answers.slice(0, 8)).toEqual(new Array(8).fill(true));
  expect(answers.slice(12).some((isFew) => isFew)).toBe(false);
  expect([sparse.add(11_200), sparse.add(11_800)]).toEqual([false, true]);
});
