import { expect, test } from 'vitest';
import { closeCode, type LinkCode } from '../../src/core/errors';

test.each<[LinkCode, number]>([
  ['normal', 4000],
  ['malformed', 4001],
  ['limit', 4007],
  ['timeout', 4008],
  ['draining', 4009],
  ['internal', 4010],
  ['transport', 4012],
])('%s has the close code of docs/PROTOCOL.md', (code, number) => {
  expect(closeCode(code)).toBe(number);
});
