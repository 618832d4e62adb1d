import { describe, expect, test } from 'vitest';
import { check, DRAIN } from '../../src/core/control';
import { PeerError } from '../../src/core/fault';
import { GARBAGE, vectors } from '../vectors';

interface Vector {
  text: string;
  refused?: string;
}

describe('control messages are read as Python reads them', () => {
  test.each(vectors<Vector[]>('control'))('%#', ({ text, refused }) => {
    if (refused) expect(() => check(text)).toThrow(expect.objectContaining({ code: refused }));
    else expect(() => check(text)).not.toThrow();
  });
});

test('what we send is what Python would send', () => {
  expect(DRAIN).toBe(vectors<Vector[]>('control')[0]?.text);
});

test('garbage is refused or ignored, never a crash', () => {
  for (const text of GARBAGE) {
    try {
      check(text);
    } catch (error) {
      expect(error).toBeInstanceOf(PeerError);
    }
  }
});
