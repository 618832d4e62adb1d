import { describe, expect, test } from 'vitest';
import { vet } from '../../src/core/candidates';
import type { Candidate } from '../../src/core/description';
import { vectors } from '../vectors';

interface Vector {
  given: Candidate[];
  used: Candidate[];
  laboratory: Candidate[];
}

const REST = { ufrag: 'abcd', pwd: 'p'.repeat(22), fingerprint: new Uint8Array(32), setup: 'actpass' } as const;

describe('candidates are used as in Python', () => {
  test.each(vectors<Vector[]>('candidates'))('%j', ({ given, used, laboratory }) => {
    const description = { ...REST, candidates: given };
    expect(vet(description, false)).toEqual({ ...REST, candidates: used });
    expect(vet(description, true)).toEqual({ ...REST, candidates: laboratory });
  });
});
