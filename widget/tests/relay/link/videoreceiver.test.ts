import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LINK_MESSAGE_BYTES } from '../../../src/core/limits';
import { FramePacker } from '../../../src/core/traffic/framepacker';
import { unwrap, wrap } from '../../../src/core/traffic/pictureframe';
import type { Got, Resend } from '../../../src/core/wire/control';
import { VideoReceiver } from '../../../src/relay/link/videoreceiver';
import type { EncodedFrame } from '../../../src/relay/link/videosender';

const PICTURE = new TextEncoder().encode('a picture').buffer as ArrayBuffer;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A receiver, what it was told, and the sender's half. */
function setUp() {
  let input!: ReadableStreamDefaultController<EncodedFrame>;
  const decoded: ArrayBuffer[] = [];
  const got: number[] = [];
  const acknowledged: number[] = [];
  const said: (Got | Resend)[] = [];
  const failed: string[] = [];
  const receiver = new VideoReceiver(
    {
      readable: new ReadableStream<EncodedFrame>({ start: (given) => void (input = given) }),
      writable: new WritableStream<EncodedFrame>({ write: ({ data }) => void decoded.push(data) }),
    },
    unwrap,
    {
      message: (data) => got.push(new Uint8Array(data)[0] ?? -1),
      got: (next) => acknowledged.push(next),
      say: (message) => said.push(message),
      failed: (code) => failed.push(code),
    },
  );
  const packer = new FramePacker();
  const push = (fill: number, size = 10) => packer.push(new Uint8Array(size).fill(fill).buffer);
  const frame = (): EncodedFrame => ({ data: wrap(PICTURE, packer.nextFrame(50), 3, packer.unsent, 0) });
  const send = async (...frames: EncodedFrame[]) => {
    for (const each of frames) input.enqueue(each);
    await vi.advanceTimersByTimeAsync(0);
  };
  return { receiver, packer, push, frame, send, decoded, got, acknowledged, said, failed };
}

test('messages come out in order, and the decoder gets the genuine picture', async () => {
  const { push, frame, send, got, decoded, failed } = setUp();
  push(0);
  const first = frame();
  push(1);
  push(2);
  const second = frame();
  await send({ ...second }, first, { ...second });
  expect(got).toEqual([0, 1, 2]);
  expect(decoded).toEqual([PICTURE, PICTURE, PICTURE]);
  expect(failed).toEqual([]);
});

test('the sender is told what it may forget', async () => {
  const { packer, push, frame, send, said } = setUp();
  push(0);
  await send(frame());
  await vi.advanceTimersByTimeAsync(200);
  expect(said).toEqual([{ type: 'got', next: 1 }]);
  packer.acknowledge(1);
  expect(packer.isDone).toBe(true);
});

test('frames say what the client has, and a frame can tell it what is here', async () => {
  const { receiver, push, frame, send, acknowledged, said } = setUp();
  push(0);
  await send(frame());
  expect(acknowledged).toEqual([3]);
  expect(receiver.tellGot()).toBe(1);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(said).toEqual([]);
});

test('a lost frame is noticed by the next one, also at the end, and its messages are asked for', async () => {
  const { packer, push, frame, send, got, said } = setUp();
  push(0);
  frame(); // lost
  await send(frame()); // an empty one
  expect(got).toEqual([]);
  await vi.advanceTimersByTimeAsync(400);
  expect(said).toContainEqual({ type: 'resend', gaps: [[0, 1]] });
  packer.resend([[0, 1]]);
  await send(frame());
  expect(got).toEqual([0]);
  said.length = 0;
  await vi.advanceTimersByTimeAsync(5_000);
  expect(said).toEqual([{ type: 'got', next: 1 }]);
});

test('what nobody sends again is asked for again', async () => {
  const { push, frame, send, said } = setUp();
  push(0);
  frame();
  await send(frame());
  await vi.advanceTimersByTimeAsync(1_300);
  expect(said.filter(({ type }) => type === 'resend')).toHaveLength(3);
});

test('messages of the DataChannel belong to the same order', async () => {
  const { receiver, packer, push, frame, send, got } = setUp();
  push(0);
  const quick = packer.shift() as ArrayBuffer;
  push(1);
  await send(frame());
  expect(got).toEqual([]);
  receiver.channelMessage(quick);
  expect(got).toEqual([0, 1]);
  expect(() => receiver.channelMessage(new ArrayBuffer(3))).toThrow('no number');
  expect(() => receiver.channelMessage(new ArrayBuffer(LINK_MESSAGE_BYTES + 5))).toThrow('large');
});

test('a broken frame ends the link, and nothing more is taken', async () => {
  const { receiver, push, frame, send, got, failed, decoded } = setUp();
  await send({ data: new ArrayBuffer(5) });
  expect(failed).toEqual(['malformed']);
  receiver.close();
  push(0);
  await send(frame());
  expect([got, decoded]).toEqual([[], []]);
});
