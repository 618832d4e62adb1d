import { expect, test } from 'vitest';
import { linkOf, tagOf } from '../../../src/core/wire/family';
import { parse } from '../../../src/core/wire/invite';
import { vectors } from '../../vectors';

const families = vectors<{ invite: string; token: string; tag: string; link: string }[]>('families');

test.each(families)('the tag and the link of $token are those of Python', async ({ invite, token, tag, link }) => {
  expect(await tagOf(token, parse(invite))).toBe(tag);
  expect(linkOf(invite, token)).toBe(link);
});

test.each(['', 'A'.repeat(21), 'A'.repeat(23), 'A'.repeat(21) + 'B', 'A'.repeat(21) + '=', '+'.repeat(22), '<b>'])(
  '%j is no token',
  async (text) => expect(tagOf(text, { operator_key: new Uint8Array(32) })).rejects.toThrow(),
);
