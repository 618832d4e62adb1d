import { describe, expect, test } from 'vitest';
import { PeerError } from '../../../widget/src/core/errors';
import { vectors } from '../../../widget/tests/vectors';
import { decode, encode, encodeCredit, encodeReset, FRAME_BODY_BYTES, requestFrames } from '../../src/wire/gatewayframes';
import { bytes, Chance, hex } from '../chance';

interface Case {
  message: string;
  frame?: { id: number; kind: string; bytes: number; count?: number; code?: string } | null;
  refused?: string;
}

describe('frames are read as Python reads them', () => {
  test.each(vectors<{ frames: Case[] }>('gateway_frames').frames)('%#', ({ message, frame, refused }) => {
    if (refused) {
      expect(() => decode(bytes(message))).toThrow(expect.objectContaining({ code: refused }));
      return;
    }
    const found = decode(bytes(message));
    if (!frame) return expect(found).toBeNull();
    expect(found).toMatchObject({ id: frame.id, kind: frame.kind });
    if (found?.kind === 'credit') expect(found.count).toBe(frame.count);
    else if (found?.kind === 'reset') expect(found.code).toBe(frame.code);
    else if (found && 'mark' in found) expect(found.mark).toBe(frame.count);
    else expect(found?.body.length).toBe(frame.bytes);
  });
});

test('frames are written as Python writes them', () => {
  const { frames } = vectors<{ frames: Case[] }>('gateway_frames');
  const written = [
    encode(1, 'request', bytes('616263')),
    encode(1, 'request_end'),
    encode(7, 'answer_end', bytes('7a')),
    encodeCredit(0, 1),
    encodeCredit(5, 2 ** 32 - 1),
    encodeReset(9, 'cancelled'),
    encodeReset(9, 'malformed'),
  ];
  expect(written.map(hex)).toEqual(frames.slice(0, written.length).map(({ message }) => message));
});

test('a long request is cut into frames, and a short one is one', () => {
  for (const size of [0, 1, FRAME_BODY_BYTES, FRAME_BODY_BYTES + 1, 50_000]) {
    const frames = [...requestFrames(3, new Uint8Array(size).fill(7))].map(decode);
    expect(frames.map((frame) => frame?.kind === 'request_end')).toEqual(frames.map((_, n) => n === frames.length - 1));
    const sizes = frames.map((frame) => (frame && 'body' in frame ? frame.body.length : -1));
    expect(sizes.reduce((sum, each) => sum + each)).toBe(size);
  }
});

test('garbage is read or refused', () => {
  const chance = new Chance(1);
  for (let n = 0; n < 2000; n++) {
    try {
      decode(chance.bytes(12));
    } catch (error) {
      expect(error).toBeInstanceOf(PeerError);
    }
  }
});
