import { expect, test } from 'vitest';
import { decode, decodeUrl, encode, encodeUrl } from '../../../src/core/wire/base64';

test('every byte comes back, at every length', () => {
  for (let length = 0; length < 70; length++) {
    const bytes = Uint8Array.from({ length }, (_, index) => 255 - index);
    expect(decode(encode(bytes))).toEqual(bytes);
    expect(decodeUrl(encodeUrl(bytes))).toEqual(bytes);
  }
});

test.each(['A', 'AA', 'AAA', 'AA===', '====', 'A A=', 'A-__', 'AA==AA==', 'AAAA\n', 'é==='])(
  'standard base64 refuses %j',
  (text) => expect(decode(text)).toBeNull(),
);

test.each(['A', 'AA==', 'AB', 'A+A', 'A A', 'AAAAA', 'é'])('base64url refuses %j', (text) =>
  expect(decodeUrl(text)).toBeNull(),
);
