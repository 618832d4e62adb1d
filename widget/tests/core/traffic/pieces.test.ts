import { describe, expect, test } from 'vitest';
import { PeerError } from '../../../src/core/errors';
import { LINK_MESSAGE_BYTES, MESSAGE_PIECES } from '../../../src/core/limits';
import { Joiner, split } from '../../../src/core/traffic/pieces';
import { vectors } from '../../vectors';

const bytes = (hex: string): ArrayBuffer => new Uint8Array(Buffer.from(hex, 'hex')).buffer;
const hex = (data: ArrayBuffer): string => Buffer.from(data).toString('hex');

describe('pieces', () => {
  test.each(vectors<{ messages: { message: string; pieces: string[] }[] }>('call').messages)(
    'are those that Python makes, and become the message again',
    ({ message, pieces }) => {
      expect([...split(bytes(message))].map(hex)).toEqual(pieces);
      const joiner = new Joiner();
      const joined = pieces.map((piece) => joiner.join(bytes(piece)));
      expect(joined.slice(0, -1)).toEqual(pieces.slice(1).map(() => null));
      expect(hex(joined.at(-1) ?? new ArrayBuffer(0))).toBe(message);
    },
  );

  test('of the longest message are fewer than are allowed', () => {
    expect([...split(new ArrayBuffer(LINK_MESSAGE_BYTES))].length).toBeLessThan(MESSAGE_PIECES);
  });

  test.each(['', '00', '01', '0261', 'ffff'])('with the bytes %j are refused', (piece) => {
    expect(() => new Joiner().join(bytes(piece))).toThrow(PeerError);
  });

  test.each([
    [1, MESSAGE_PIECES],
    [8_192, 2],
  ])('of %d bytes without a last one are refused after %d', (size, count) => {
    const joiner = new Joiner();
    const piece = new ArrayBuffer(size + 1);
    for (let index = 0; index < count; index++) expect(joiner.join(piece)).toBeNull();
    expect(() => joiner.join(piece)).toThrow(PeerError);
  });
});
