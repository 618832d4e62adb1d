import { describe, expect, test } from 'vitest';
import { PeerError } from '../../../src/core/errors';
import { decode, DRAIN, encode } from '../../../src/core/wire/control';
import { read, write } from '../../../src/core/wire/description';
import { GARBAGE, vectors } from '../../vectors';

interface Vectors {
  received: { text: string; message?: { description?: object } | null; refused?: string }[];
  sent: string[];
}

const { received, sent } = vectors<Vectors>('control');
const good = received.find(({ message }) => message?.description);

describe('control messages are read as Python reads them', () => {
  test.each(received)('%#', ({ text, message, refused }) => {
    if (refused) {
      expect(() => decode(text)).toThrow(expect.objectContaining({ code: refused }));
      return;
    }
    const found = decode(text);
    const plain = found?.type === 'lane' ? { ...found, description: write(found.description) } : found;
    expect(plain).toEqual(message);
  });
});

test('what we say is what Python would say', () => {
  const description = read(good?.message?.description);
  const ours = [
    DRAIN,
    encode({ type: 'lane_answer', lane: 7, description }),
    encode({ type: 'lane_refused', lane: 7 }),
  ];
  expect(ours.map((text) => JSON.parse(text))).toEqual(sent.map((text) => JSON.parse(text)));
});

test('garbage, and every cut of a lane, is refused or ignored, never a crash', () => {
  const text = good?.text ?? '';
  expect(text).not.toBe('');
  const cuts = Array.from({ length: text.length }, (_, at) => text.slice(0, at));
  for (const cut of cuts) expect(() => decode(cut)).toThrow(PeerError);
  for (const garbage of GARBAGE) {
    try {
      expect(decode(garbage)).toBeNull();
    } catch (error) {
      expect(error).toBeInstanceOf(PeerError);
    }
  }
});
