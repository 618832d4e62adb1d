import { describe, expect, test } from 'vitest';
import { fill, roomOf, unfill } from '../../../src/core/traffic/callframe';
import { FramePacker } from '../../../src/core/traffic/framepacker';
import { PICTURE_FRAME_BYTES } from '../../../src/core/limits';
import { vectors } from '../../vectors';

interface Case {
  encoded: string;
  frame: string;
  picture: string;
}

const bytes = (hex: string): ArrayBuffer => new Uint8Array(Buffer.from(hex, 'hex')).buffer;
const hex = (data: ArrayBuffer): string => Buffer.from(data).toString('hex');

describe('the frames of a call', () => {
  test('are those that Python makes, and say the same', () => {
    for (const { encoded, frame, picture } of vectors<{ frames: Case[] }>('call').frames) {
      const packer = new FramePacker(0, 2, true);
      for (const size of [200, 240, 100, 500]) packer.push(new Uint8Array(size).fill(size % 251).buffer);
      const room = roomOf(bytes(encoded));
      const made = room < 2 ? bytes(encoded) : fill(bytes(encoded), packer.nextFrame(0, room), 7, packer.unsent);
      expect(hex(made)).toBe(frame);
      const taken = unfill(made);
      expect(hex(taken.picture)).toBe(picture);
      if (!('got' in taken)) continue;
      expect(taken.got).toBe(7);
      expect(taken.unsent).toBe(packer.unsent);
      expect(taken.messages.map(([number]) => number)).toEqual([...Array(packer.unsent).keys()]);
    }
  });

  test('give the decoder nothing of theirs, whatever they are', () => {
    for (let length = 0; length < 40; length += 1) {
      for (const first of [0, 1]) {
        const frame = new Uint8Array(length);
        frame.set([first].slice(0, length));
        const { picture } = unfill(frame.buffer);
        expect(picture.byteLength).toBe(length > 0 && first === 0 ? 36 : 21);
      }
    }
  });

  test('have an end', () => {
    expect(() => unfill(new ArrayBuffer(PICTURE_FRAME_BYTES + 1))).toThrow('large');
  });
});
