import { describe, expect, test } from 'vitest';
import { PeerError } from '../../../src/core/errors';
import { FRAME_BYTES, LINK_MESSAGE_BYTES, MEDIA_KEPT_BYTES } from '../../../src/core/limits';
import { FramePacker } from '../../../src/core/traffic/framepacker';
import { vectors } from '../../vectors';

const message = (fill: number, size = 3): ArrayBuffer => new Uint8Array(size).fill(fill).buffer;

/** Read a frame as the client does: what waits, in KiB, and the numbers with their messages. */
function unpack(frame: ArrayBuffer): [number, [number, Uint8Array][]] {
  const view = new DataView(frame);
  const found: [number, Uint8Array][] = [];
  for (let at = 2; at + 6 <= frame.byteLength; ) {
    const length = view.getUint16(at + 4);
    if (length === 0) break;
    found.push([view.getUint32(at), new Uint8Array(frame, at + 6, length)]);
    at += 6 + length;
  }
  return [view.getUint16(0), found];
}

const numbers = (frame: ArrayBuffer): number[] => unpack(frame)[1].map(([number]) => number);

function filled(count: number, size = 3): FramePacker {
  const packer = new FramePacker();
  for (let index = 0; index < count; index++) packer.push(message(index, size));
  return packer;
}

describe('frames', () => {
  test.each(vectors<{ messages: string[]; frame: string }[]>('media'))(
    'have the bytes that Python reads',
    ({ messages, frame }) => {
      const packer = new FramePacker();
      for (const text of messages) packer.push(new Uint8Array(Buffer.from(text, 'hex')).buffer);
      expect(Buffer.from(packer.nextFrame(0)).toString('hex')).toBe(frame);
    },
  );

  test('hold as many whole messages as fit, and say what waits behind them', () => {
    const packer = filled(20, LINK_MESSAGE_BYTES);
    const first = packer.nextFrame(0);
    expect(first.byteLength).toBeLessThanOrEqual(FRAME_BYTES);
    expect(numbers(first)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(unpack(first)[0]).toBe((13 * LINK_MESSAGE_BYTES) / 1024);
    expect(numbers(packer.nextFrame(0))).toEqual([7, 8, 9, 10, 11, 12, 13]);
    expect(numbers(packer.nextFrame(0))).toEqual([14, 15, 16, 17, 18, 19]);
    expect([packer.queued_bytes, packer.isDone]).toEqual([0, false]);
  });

  test('are of the size wished for where nothing waits, and mean nothing then', () => {
    const frame = new FramePacker().nextFrame(700);
    expect(frame.byteLength).toBe(700);
    expect(unpack(frame)).toEqual([0, []]);
  });
});

test('what goes another way has its number in front', () => {
  const packer = filled(2);
  expect(packer.shift()).toEqual(new Uint8Array([0, 0, 0, 0, 0, 0, 0]).buffer);
  expect(numbers(packer.nextFrame(0))).toEqual([1]);
  expect(packer.shift()).toBeNull();
});

describe('what was sent', () => {
  test('is sent again under its old number, ahead of the rest, until the client has it', () => {
    const packer = filled(6);
    packer.nextFrame(0);
    packer.push(message(6));
    packer.resend([[1, 3], [2, 4]]);
    expect(packer.queued_bytes).toBe(4 * 3);
    packer.acknowledge(2);
    expect(packer.queued_bytes).toBe(3 * 3);
    expect(unpack(packer.nextFrame(0))[1]).toEqual([
      [2, new Uint8Array(message(2))],
      [3, new Uint8Array(message(3))],
      [6, new Uint8Array(message(6))],
    ]);
    packer.acknowledge(7);
    expect(packer.isDone).toBe(true);
  });

  test('and has arrived is not sent again', () => {
    const packer = filled(4);
    packer.nextFrame(0);
    packer.acknowledge(4);
    packer.resend([[0, 4]]);
    expect([packer.queued_bytes, packer.shift()]).toEqual([0, null]);
  });

  test('and has arrived in part is sent again in part', () => {
    const packer = filled(5);
    packer.nextFrame(0);
    packer.acknowledge(2);
    packer.resend([[1, 4], [0, 1], [0, 0], [2 ** 31, 2 ** 31 - 1], [5, 9]]);
    expect(numbers(packer.nextFrame(0))).toEqual([2, 3]);
    expect(packer.queued_bytes).toBe(0);
  });

  test('may be acknowledged more than once', () => {
    const packer = filled(4);
    packer.nextFrame(0);
    for (const next of [3, 3, 1, 2 ** 32 - 1]) packer.acknowledge(next);
    expect(numbers(packer.nextFrame(0))).toEqual([]);
    expect(packer.isDone).toBe(false);
  });

  test('cannot be acknowledged before it left', () => {
    const packer = filled(4);
    expect(() => packer.acknowledge(1)).toThrow(PeerError);
    packer.nextFrame(0);
    expect(() => packer.acknowledge(5)).toThrow(expect.objectContaining({ code: 'malformed' }));
    expect(() => packer.acknowledge(2 ** 31 - 1)).toThrow(PeerError);
  });

  test('is asked for in any way, at no cost', () => {
    const packer = filled(4);
    packer.nextFrame(0);
    const everything = [[0, 2 ** 32 - 1], [3, 1], [2 ** 32 - 1, 0], [5, 9]] as const;
    for (let turn = 0; turn < 50; turn++) packer.resend(everything);
    expect(packer.queued_bytes).toBe(4 * 3);
    expect(numbers(packer.nextFrame(0)).sort()).toEqual([0, 1, 2, 3]);
  });
});

describe('small messages', () => {
  test('are in the next frames once more, as long as little is sent', () => {
    const packer = new FramePacker(0, 2);
    const frame = (...sizes: number[]) => {
      for (const size of sizes) packer.push(message(7, size));
      return numbers(packer.nextFrame(0));
    };
    expect(frame(100, 900)).toEqual([0, 1]);
    expect(frame(100)).toEqual([0, 2]);
    packer.acknowledge(1);
    expect(frame(100)).toEqual([2, 3]);
    expect(frame(990)).toEqual([4]);
    expect(frame()).toEqual([2, 3]);
    expect(frame()).toEqual([3]);
    expect(frame()).toEqual([]);
  });

  test('are forgotten with the rest', () => {
    const packer = new FramePacker(0, 2);
    packer.push(message(1));
    packer.nextFrame(0);
    packer.acknowledge(1);
    expect(unpack(packer.nextFrame(50))).toEqual([0, []]);
  });
});

test('numbers wrap', () => {
  for (const number of [2 ** 32 - 2, 2 ** 32 + 5]) {
    const moved = new FramePacker(number);
    for (let index = 0; index < 4; index++) moved.push(message(index));
    const sent = numbers(moved.nextFrame(0));
    expect(sent).toEqual([0, 1, 2, 3].map((index) => (number + index) % 2 ** 32));
    moved.resend([[sent[1] as number, ((sent[3] as number) + 1) % 2 ** 32]]);
    moved.acknowledge(sent[2] as number);
    expect(numbers(moved.nextFrame(0))).toEqual(sent.slice(2));
  }
});

test('what is kept is bounded, small messages too', () => {
  for (const size of [LINK_MESSAGE_BYTES, 1]) {
    const packer = new FramePacker();
    let taken = 0;
    expect(() => {
      for (; taken < MEDIA_KEPT_BYTES; taken++) {
        packer.push(message(0, size));
        packer.shift();
      }
    }).toThrow(expect.objectContaining({ code: 'limit' }));
    expect(taken * (size + 64)).toBeLessThanOrEqual(MEDIA_KEPT_BYTES);
    expect(taken * (size + 64)).toBeGreaterThan(0.99 * MEDIA_KEPT_BYTES);
  }
});
