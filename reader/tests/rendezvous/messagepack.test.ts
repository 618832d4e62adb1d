import { expect, test } from 'vitest';
import { PeerError } from '../../../widget/src/core/errors';
import { decode, encode, type Value } from '../../src/rendezvous/messagepack';
import { Chance } from '../chance';

const VALUES: readonly Value[] = [
  null, true, false, 0, 127, 128, 2 ** 31, 2 ** 48 - 1, '', 'é', 'x'.repeat(300), new Uint8Array(0),
  new Uint8Array(300).fill(7), [], [1, [2, ['three']]], { a: 1, b: { c: new Uint8Array([1]) } },
];

test.each(VALUES.map((value) => [value]))('a value comes back: %j', (value) => {
  expect(decode(encode(value))).toEqual(value);
});

test('what Python writes shortest is read', () => {
  // fixmap {"a": fixarray [1, -1, str8, float64 0.5]}
  const bytes = Uint8Array.of(0x81, 0xa1, 0x61, 0x94, 0x01, 0xff, 0xd9, 1, 0x7a, 0xcb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0);
  expect(decode(bytes)).toEqual({ a: [1, -1, 'z', 0.5] });
});

test('garbage is refused, and costs nothing', () => {
  const good = encode({ list: VALUES as readonly Value[] });
  const chance = new Chance(3);
  for (let tries = 0; tries < 500; tries++) {
    try {
      decode(chance.spoil(good));
    } catch (error) {
      expect(error).toBeInstanceOf(PeerError);
    }
  }
  for (const bytes of [[0xdc, 0xff, 0xff], [0xde, 0xff, 0xff], [0xc5, 0xff, 0xff], [0xc1], [0x81, 1, 1], [1, 1], [0xa1, 0xff], Array(99).fill(0x91)]) {
    expect(() => decode(Uint8Array.from(bytes))).toThrow(PeerError);
  }
});

test('a key of the message is a key of the result and nothing else', () => {
  const value = decode(encode({ ['__proto__']: 1 } as unknown as Value)) as Record<string, Value>;
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
});
