import { describe, expect, test } from 'vitest';
import { Problem } from '../../../src/core/errors';
import { encode } from '../../../src/core/wire/base64';
import { parse } from '../../../src/core/wire/invite';
import { GARBAGE, vectors } from '../../vectors';

interface Vector {
  text: string;
  invite: { url: string; operator_key: string } | null;
}

describe('invites are read as Python reads them', () => {
  test.each(vectors<Vector[]>('invites'))('$text', ({ text, invite }) => {
    if (!invite) return expect(() => parse(text)).toThrow(Problem);
    const found = parse(text);
    expect({ url: found.url, operator_key: encode(found.operator_key) }).toEqual(invite);
  });
});

test('garbage is a problem for the visitor, never a crash', () => {
  for (const text of GARBAGE) expect(() => parse(text)).toThrow(Problem);
});
