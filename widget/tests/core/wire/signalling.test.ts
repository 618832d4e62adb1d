import { describe, expect, test } from 'vitest';
import { PeerError } from '../../../src/core/errors';
import { encode as base64 } from '../../../src/core/wire/base64';
import { decode, encode } from '../../../src/core/wire/signalling';
import { GARBAGE, vectors } from '../../vectors';

interface Vector {
  text: string;
  message?: object;
  refused?: string;
}

/** As JSON: bytes are base64 there. */
const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, part: unknown) => (part instanceof Uint8Array ? base64(part) : part)),
  );

const usual = (message: object | undefined): object =>
  message && 'exit' in message ? { country: null } : {};

const all = vectors<Vector[]>('signalling');

describe('broker messages are read as Python reads them', () => {
  test.each(all)('%#', ({ text, message, refused }) => {
    if (refused) expect(() => decode(text)).toThrow(expect.objectContaining({ code: refused }));
    // Python leaves out what has its usual value.
    else expect(plain(decode(text))).toEqual({ ...usual(message), ...message });
  });
});

test('garbage is refused with a code, never a crash', () => {
  for (const text of GARBAGE) expect(() => decode(text)).toThrow(PeerError);
  for (const data of [new ArrayBuffer(5), null, undefined, 5, {}]) {
    expect(() => decode(data)).toThrow(PeerError);
  }
});

test('every cut and every changed character of an offer is a message or a refusal', () => {
  const offer = all.find(({ message }) => message && 'exit' in message)?.text ?? '';
  expect(offer).not.toBe('');
  for (let at = 0; at < offer.length; at++) {
    expect(() => decode(offer.slice(0, at))).toThrow(PeerError);
    for (const char of ['"', '\\', '}', '9', '\u0000', '\ud800']) {
      try {
        decode(offer.slice(0, at) + char + offer.slice(at + 1));
      } catch (error) {
        expect(error).toBeInstanceOf(PeerError);
      }
    }
  }
});

test('nothing that a broker sends reaches a prototype', () => {
  const plain = decode('{"type":"welcome"}');
  expect(decode('{"type":"welcome","__proto__":{"polluted":1,"caution":true}}')).toEqual(plain);
  expect(decode('{"type":"welcome","constructor":{"prototype":{}}}')).toEqual(plain);
  expect('polluted' in {}).toBe(false);
});

test('our messages are what the broker expects', () => {
  const NATS = ['open', 'restricted', 'symmetric', 'blocked', 'unknown'] as const;
  const said = NATS.flatMap((nat) => [
    encode({ type: 'hello', version: 1, software: 'x/1', free: 5, nat }),
    encode({ type: 'ready', free: 0, nat }),
  ]);
  expect([encode({ type: 'ready', free: 3 }), encode({ type: 'ping' }), ...said]).toEqual(vectors<string[]>('volunteer'));
  const description = {
    ufrag: 'abcd',
    pwd: 'p'.repeat(22),
    fingerprint: new Uint8Array(32),
    setup: 'active',
    candidates: [['host', '192.0.2.1', 5]],
  } as const;
  expect(JSON.parse(encode({ type: 'answer', offer: 3, description }))).toEqual({
    type: 'answer',
    offer: 3,
    description: { ...description, fingerprint: `${'A'.repeat(43)}=` },
  });
});
