import { describe, expect, test } from 'vitest';
import { vet } from '../../../src/core/addresses/candidates';
import type { Candidate } from '../../../src/core/wire/description';
import { vectors } from '../../vectors';

interface Vector {
  given: Candidate[];
  used: Candidate[];
  laboratory: Candidate[];
}

const REST = { ufrag: 'abcd', pwd: 'p'.repeat(22), fingerprint: new Uint8Array(32), setup: 'actpass' } as const;

test('later words of a peer bring no new addresses', () => {
  const given = [['srflx', '8.8.8.8', 7000], ['srflx', '9.9.9.9', 7000]] as const;
  const description = { ...REST, candidates: given };
  expect(vet(description, true, new Set(['8.8.8.8'])).candidates).toEqual([given[0]]);
  expect(vet(description, true, new Set()).candidates).toEqual([]);
});

describe('candidates are used as in Python', () => {
  test.each(vectors<Vector[]>('candidates'))('%j', ({ given, used, laboratory }) => {
    const description = { ...REST, candidates: given };
    expect(vet(description, false)).toEqual({ ...REST, candidates: used });
    expect(vet(description, true)).toEqual({ ...REST, candidates: laboratory });
  });
});
