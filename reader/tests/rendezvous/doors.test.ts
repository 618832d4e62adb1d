/** What PROTOCOL.md says of a door's key and of a broker's receipt, done again with another library than the broker's. */

import { expect, test } from 'vitest';
import { encodeUrl } from '../../../widget/src/core/wire/base64';
import { vectors } from '../../../widget/tests/vectors';
import { bytes, hex } from '../chance';

interface Door {
  readonly seal_key: string;
  readonly url: string;
  readonly key: string;
  readonly receipt: string;
}

const ascii = (text: string) => new TextEncoder().encode(text);
const doors = vectors<readonly Door[]>('doors');

test.each(doors)('the key of $url and its receipt are those of the protocol', async ({ seal_key, url, key, receipt }) => {
  const material = await crypto.subtle.importKey('raw', bytes(seal_key), 'HKDF', false, ['deriveBits']);
  const how = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(0), info: ascii(`passerelle door 1 ${url}`) };
  expect(encodeUrl(new Uint8Array(await crypto.subtle.deriveBits(how, material, 256)))).toBe(key);
  const digest = await crypto.subtle.digest('SHA-256', ascii(`passerelle door receipt 1 ${key}`));
  expect(hex(new Uint8Array(digest))).toBe(receipt);
});

test('no two doors have one key, nor one receipt', () => {
  for (const part of ['key', 'receipt'] as const) expect(new Set(doors.map((door) => door[part])).size).toBe(doors.length);
});
