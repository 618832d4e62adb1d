import { describe, expect, test } from 'vitest';
import { decode } from '../../../src/core/wire/base64';
import { verify } from '../../../src/core/wire/descriptor';
import { GARBAGE, vectors } from '../../vectors';

interface Vectors {
  now_s: number;
  operator_key: string;
  documents: { text: string; descriptor?: object; refused?: string }[];
}

const { now_s, operator_key, documents } = vectors<Vectors>('descriptors');
const key = decode(operator_key) ?? new Uint8Array();
const bytes = (text: string) => new TextEncoder().encode(text);
const good = documents[0]?.text ?? '';

describe('descriptors are verified as Python verifies them', () => {
  test.each(documents)('%#', async ({ text, descriptor, refused }) => {
    const verdict = verify(bytes(text), key, now_s);
    if (refused) await expect(verdict).rejects.toMatchObject({ reason: `network_${refused}` });
    else expect(await verdict).toEqual(descriptor);
  });
});

test('one flipped bit anywhere is refused', async () => {
  for (let at = 0; at < good.length; at += 7) {
    const document = bytes(good);
    document[at] = (document[at] ?? 0) ^ 1;
    await expect(verify(document, key, now_s)).rejects.toThrow(/network_/);
  }
});

test('a key that is none, or another one, has signed nothing', async () => {
  for (const other of [new Uint8Array(32), new Uint8Array(32).fill(255), new Uint8Array(5)]) {
    const verdict = verify(bytes(good), other, now_s);
    await expect(verdict).rejects.toMatchObject({ reason: 'network_signature' });
  }
});

test('garbage and broken UTF-8 are unreadable', async () => {
  const broken = Uint8Array.of(0x22, 0xff, 0xfe, 0x22);
  for (const document of [...GARBAGE.map(bytes), broken]) {
    const verdict = verify(document, key, now_s);
    await expect(verdict).rejects.toMatchObject({ reason: 'network_format' });
  }
});

test('a descriptor is frozen throughout', async () => {
  const descriptor = await verify(bytes(good), key, now_s);
  const parts = [descriptor, descriptor.brokers, descriptor.exits, descriptor.exits[0]];
  for (const part of parts) expect(Object.isFrozen(part)).toBe(true);
});
