import { expect, test } from 'vitest';
import { PeerError } from '../../../src/core/errors';
import { LINK_MESSAGE_BYTES, LONGEST_PICTURE_BYTES, PICTURE_FRAME_BYTES } from '../../../src/core/limits';
import { FramePacker } from '../../../src/core/traffic/framepacker';
import { unwrap, wrap } from '../../../src/core/traffic/pictureframe';
import { vectors } from '../../vectors';

const bytes = (hex: string): ArrayBuffer => new Uint8Array(Buffer.from(hex, 'hex')).buffer;
const hex = (data: ArrayBuffer): string => Buffer.from(data).toString('hex');

interface Vector {
  messages: string[];
  picture: string;
  picture_frame: string;
}

test.each(vectors<Vector[]>('media'))('frames have the bytes that Python reads', (vector) => {
  const packer = new FramePacker();
  for (const text of vector.messages) packer.push(bytes(text));
  const payload = packer.nextFrame(0);
  expect(hex(wrap(bytes(vector.picture), payload, 7, packer.unsent, 12_345.6))).toBe(vector.picture_frame);
});

test.each(vectors<Vector[]>('media'))('frames of Python are read', (vector) => {
  const { picture, got, unsent, messages } = unwrap(bytes(vector.picture_frame));
  expect(hex(picture)).toBe(vector.picture);
  expect([got, unsent]).toEqual([7, vector.messages.length]);
  expect(messages.map(([number, message]) => [number, hex(message)])).toEqual([
    ...vector.messages.entries(),
  ]);
});

test('whatever is cut off or added is refused or read, and nothing else is thrown', () => {
  const whole = bytes(vectors<Vector[]>('media')[1]?.picture_frame ?? '');
  for (let end = 0; end <= whole.byteLength; end++) {
    for (const fill of [0, 1, 255]) {
      const altered = new Uint8Array(whole.slice(0, end));
      altered.set(new Array(Math.min(4, end)).fill(fill), Math.max(0, end - 4));
      try {
        const { picture, messages } = unwrap(altered.buffer);
        const held = messages.reduce((sum, [, message]) => sum + message.byteLength, 0);
        expect(picture.byteLength + held).toBeLessThanOrEqual(end);
      } catch (error) {
        expect(error).toBeInstanceOf(PeerError);
      }
    }
  }
});

test('a frame without end and a message longer than links carry are refused', () => {
  expect(() => unwrap(new ArrayBuffer(PICTURE_FRAME_BYTES + 1))).toThrow(PeerError);
  const payload = new Uint8Array(2 + 6 + LINK_MESSAGE_BYTES + 1);
  new DataView(payload.buffer).setUint16(6, LINK_MESSAGE_BYTES + 1);
  expect(() => unwrap(wrap(new Uint8Array([1, 0, 0]).buffer, payload.buffer, 0, 1, 0))).toThrow('a large message');
});

test.each(['10020a9d012a41004000', '10020a9d012a4000ff3f', '10020a00000040004000', '10020a9d'])(
  'a picture that a decoder must make room for is refused: %s',
  (picture) => {
    expect(() => unwrap(wrap(bytes(picture), new ArrayBuffer(2), 0, 0, 0))).toThrow(PeerError);
  },
);

test('a picture that a browser must keep is refused', () => {
  const picture = new Uint8Array(LONGEST_PICTURE_BYTES + 1).fill(0x11);
  const longest = picture.buffer.slice(1);
  expect(unwrap(wrap(longest, new ArrayBuffer(2), 0, 0, 0)).picture).toEqual(longest);
  expect(() => unwrap(wrap(picture.buffer, new ArrayBuffer(2), 0, 0, 0))).toThrow('a long picture');
});
