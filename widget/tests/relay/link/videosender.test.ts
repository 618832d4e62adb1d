import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LINK_MESSAGE_BYTES, LOW_WATER_BYTES, MEDIA_KEPT_BYTES } from '../../../src/core/limits';
import { unwrap } from '../../../src/core/traffic/pictureframe';
import { Link } from '../../../src/relay/link/link';
import { RateLimiter } from '../../../src/relay/link/ratelimiter';
import { BARE, Paced } from '../../../src/relay/link/frameformat';
import { VideoSender, type EncodedFrame } from '../../../src/relay/link/videosender';
import { MemoryPipe } from './memorypipe';

/** More than one packet: goes as video. */
const LARGE = 5_000;
const message = (fill: number, size = LARGE): ArrayBuffer => new Uint8Array(size).fill(fill).buffer;

/** A browser's encoder: makes a frame when asked, unless it is stuck, and shows what was put in. */
class Encoder {
  asked = 0;
  isStuck = false;
  readonly frames: ArrayBuffer[] = [];
  #input!: ReadableStreamDefaultController<EncodedFrame>;
  readonly readable = new ReadableStream<EncodedFrame>({ start: (input) => void (this.#input = input) });
  readonly writable = new WritableStream<EncodedFrame>({
    write: ({ data }) => void this.frames.push(data),
  });

  requestFrame(): void {
    this.asked += 1;
    if (!this.isStuck) this.#input.enqueue({ data: new TextEncoder().encode('a picture').buffer });
  }

  /** Numbers of the messages in all frames, and those sent over `pipe`. */
  numbers(pipe: MemoryPipe): number[] {
    const framed = this.frames.flatMap((frame) => {
      const view = new DataView(frame);
      const found: number[] = [];
      for (let at = 2; at + 6 <= frame.byteLength && view.getUint16(at + 4); ) {
        found.push(view.getUint32(at));
        at += 6 + view.getUint16(at + 4);
      }
      return found;
    });
    return [...framed, ...byChannel(pipe)].sort((one, other) => one - other);
  }
}

const byChannel = (pipe: MemoryPipe): number[] =>
  pipe.sent.flatMap((data) => (typeof data === 'string' ? [] : [new DataView(data).getUint32(0)]));

function setUp(warm = true) {
  const pipe = new MemoryPipe();
  const encoder = new Encoder();
  let told = 0;
  const events = { writable: () => (told += 1), tellGot: () => 0, busy() {} };
  const sender = new VideoSender(pipe, encoder, BARE, events);
  if (warm) {
    for (let index = 0; index < 8; index++) sender.send(message(index, 10));
    sender.hear({ type: 'got', next: 8 });
    pipe.sent.length = 0;
  }
  return { pipe, encoder, sender, told: () => told };
}

const range = (first: number, end: number): number[] =>
  Array.from({ length: end - first }, (_, index) => first + index);

/** Let streams do their work. */
const settle = (milliseconds = 1) => vi.advanceTimersByTimeAsync(milliseconds);

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe('which way', () => {
  test('small messages of a quiet link go over the DataChannel, numbered', async () => {
    const { pipe, encoder, sender } = setUp();
    sender.send(message(1, 3));
    sender.send('{"type":"drain"}');
    expect(pipe.sent).toEqual([new Uint8Array([0, 0, 0, 8, 1, 1, 1]).buffer, '{"type":"drain"}']);
    expect(encoder.asked).toBe(0);
  });

  test('the first ones do so whatever their size', () => {
    const { pipe, sender } = setUp(false);
    for (let index = 0; index < 10; index++) sender.send(message(index));
    expect(byChannel(pipe)).toEqual(range(0, 8));
  });

  test('large ones go as video, with small ones behind them', async () => {
    const { pipe, encoder, sender } = setUp();
    sender.send(message(1));
    sender.send(message(2, 3));
    await settle();
    expect(pipe.sent).toEqual([]);
    expect(encoder.numbers(pipe)).toEqual([8, 9]);
  });

  test('messages of no bytes are left out: they would end a frame', async () => {
    const { pipe, encoder, sender } = setUp();
    sender.send(message(1));
    sender.send(message(2, 0));
    sender.send(message(3));
    await settle();
    expect(encoder.numbers(pipe)).toEqual([8, 9]);
  });
});

test('frames are asked for two at a time until nothing waits, and none holds a picture', async () => {
  const { pipe, encoder, sender } = setUp();
  for (let index = 0; index < 60; index++) sender.send(message(index, LINK_MESSAGE_BYTES));
  expect(encoder.asked).toBe(2);
  await settle();
  expect(encoder.numbers(pipe)).toEqual(range(8, 68));
  expect(encoder.frames.length).toBeLessThan(12);
  expect(sender.bufferedAmount).toBe(0);
  for (const frame of encoder.frames) expect(new TextDecoder().decode(frame)).not.toContain('picture');
});

test('after the last full frame come two empty ones, then few', async () => {
  const { encoder, sender } = setUp();
  sender.send(message(1));
  await settle();
  const before = encoder.frames.length;
  await settle(150);
  expect(encoder.frames.length).toBe(before + 2);
  await settle(5_000);
  expect(encoder.frames.length - before).toBeGreaterThan(5);
  expect(encoder.frames.length - before).toBeLessThan(9);
});

describe('frames that do not come', () => {
  test('are asked for again', async () => {
    const { pipe, encoder, sender } = setUp();
    encoder.isStuck = true;
    sender.send(message(1));
    await settle(100);
    expect(encoder.asked).toBeGreaterThan(2);
    encoder.isStuck = false;
    await settle(50);
    expect(pipe.sent).toEqual([]);
    expect(encoder.numbers(pipe)).toEqual([8]);
  });

  test('leave everything to the DataChannel, until they come again', async () => {
    const { pipe, encoder, sender } = setUp();
    encoder.isStuck = true;
    for (let index = 0; index < 5; index++) sender.send(message(index));
    // More messages must not put off the decision.
    for (let turn = 0; turn < 80; turn++) {
      sender.send(message(turn));
      await settle(5);
    }
    expect(byChannel(pipe)).toEqual(range(8, 93));
    encoder.isStuck = false;
    await settle(2_500);
    sender.send(message(1));
    await settle();
    expect(byChannel(pipe)).toHaveLength(85);
    expect(encoder.numbers(pipe)).toEqual(range(8, 94));
  });

  test('are soon given up again where they are few', async () => {
    const { pipe, encoder, sender } = setUp();
    encoder.isStuck = true;
    sender.send(message(0));
    await settle(400);
    encoder.isStuck = false;
    await settle(1_200);
    encoder.isStuck = true;
    sender.send(message(1));
    await settle(70);
    expect(byChannel(pipe)).toEqual([8, 9]);
  });
});

describe('what the client misses', () => {
  test('is sent again in frames, with its old number', async () => {
    const { pipe, encoder, sender } = setUp();
    for (let index = 0; index < 4; index++) sender.send(message(index));
    await settle();
    encoder.frames.length = 0;
    sender.hear({ type: 'resend', gaps: [[9, 11]] });
    await settle();
    expect(encoder.numbers(pipe)).toEqual([9, 10]);
  });

  test('ends the link when it was never sent', () => {
    const { sender } = setUp();
    expect(() => sender.hear({ type: 'got', next: 9 })).toThrow(
      expect.objectContaining({ code: 'malformed' }),
    );
  });
});

describe('a link', () => {
  function link() {
    const [pipe, encoder] = [new MemoryPipe(), new Encoder()];
    const exit = new MemoryPipe();
    const over: string[] = [];
    let sender!: VideoSender;
    const made: Link = new Link(new RateLimiter(), {
      changed() {},
      carried() {},
      heard: (said) => {
        if (said.type !== 'lane') sender.hear(said);
      },
      over: (code) => over.push(code),
    });
    sender = new VideoSender(pipe, encoder, BARE, {
      writable: () => made.writable('client'),
      tellGot: () => 0,
      busy() {},
    });
    made.attach('exit', exit);
    made.attach('client', sender);
    made.opened('exit');
    made.opened('client');
    return { made, pipe, encoder, exit, over };
  }

  test('whose client acknowledges nothing is closed with a code', async () => {
    const { made, exit, over } = link();
    for (let sent = 0; sent < MEDIA_KEPT_BYTES - LINK_MESSAGE_BYTES * 60; sent += LINK_MESSAGE_BYTES) {
      made.message('exit', message(0, LINK_MESSAGE_BYTES));
      await settle();
    }
    expect(exit.closed).toEqual([]);
    for (let turn = 0; turn < 80; turn++) made.message('exit', message(0, LINK_MESSAGE_BYTES));
    await settle(200);
    expect([exit.closed[0], over]).toEqual(['limit', ['limit']]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('holds messages back while much waits for frames, in order', async () => {
    const { made, pipe, encoder } = link();
    encoder.isStuck = true;
    for (let index = 0; index < 150; index++) made.message('exit', message(0, LINK_MESSAGE_BYTES));
    expect(pipe.watched).toBeGreaterThan(0);
    encoder.isStuck = false;
    await settle(60);
    expect(encoder.numbers(pipe)).toEqual(range(0, 150));
  });

  test('that is told garbage about its messages ends', () => {
    const { made, exit } = link();
    made.message('client', '{"type":"got","next":1}');
    expect(exit.closed).toEqual(['malformed']);
  });

  test('whose exit closes gives the client time to miss something', async () => {
    const { made, pipe, encoder, over } = link();
    for (let index = 0; index < 12; index++) made.message('exit', message(index));
    await settle();
    made.lost('exit');
    expect(pipe.closed).toEqual([]);
    encoder.frames.length = 0;
    made.message('client', '{"type":"resend","gaps":[[9,10]]}');
    await settle();
    expect(encoder.numbers(new MemoryPipe())).toEqual([9]);
    expect(pipe.closed).toEqual([]);
    made.message('client', '{"type":"got","next":12}');
    expect(pipe.closed).toEqual(['normal']);
    made.lost('client');
    expect(over).toEqual(['normal']);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('that ends leaves no timer behind', async () => {
    const { made, over } = link();
    made.message('exit', message(1));
    made.close('transport');
    await settle(200);
    expect(over).toEqual(['transport']);
    expect(vi.getTimerCount()).toBe(0);
  });
});

test('room is told once, when little waits', async () => {
  const { encoder, sender, told } = setUp();
  encoder.isStuck = true;
  for (let sent = 0; sent < 2 * LOW_WATER_BYTES; sent += LINK_MESSAGE_BYTES) {
    sender.send(message(0, LINK_MESSAGE_BYTES));
  }
  sender.watch();
  expect(told()).toBe(0);
  encoder.isStuck = false;
  await settle(40);
  expect(told()).toBe(1);
});

test('version 2 sends few small messages over the DataChannel, and many in frames', async () => {
  const pipe = new MemoryPipe();
  const encoder = new Encoder();
  const sender = new VideoSender(pipe, encoder, new Paced(), { writable() {}, tellGot: () => 5, busy() {} });
  for (let index = 0; index < 100; index++) {
    sender.send(message(index, 100));
    await vi.advanceTimersByTimeAsync(5);
  }
  expect(byChannel(pipe).length).toBeLessThan(15);
  const arrived = new Set(byChannel(pipe));
  const seen: number[] = [];
  for (const frame of encoder.frames) {
    const { got, messages } = unwrap(frame);
    expect(got).toBe(5);
    for (const [number] of messages) {
      arrived.add(number);
      seen.push(number);
    }
  }
  expect(arrived.size).toBe(100);
  expect(seen.length).toBeGreaterThan(200);
  sender.close('limit');
});

test('version 2 shows the delay of the path by frames of one packet, beside a download', async () => {
  const encoder = new Encoder();
  const pace = new Paced();
  pace.look({ available_bit_s: 80e6, rtt_ms: 50, lost: 0, bytes: 0 }, performance.now());
  const sender = new VideoSender(new MemoryPipe(), encoder, pace, { writable() {}, tellGot: () => 0, busy() {} });
  for (let index = 0; index < 300; index++) {
    sender.send(message(index, 16_000));
    await vi.advanceTimersByTimeAsync(2);
  }
  const small = encoder.frames.filter((frame) => frame.byteLength <= 1_150);
  expect(small.length).toBeGreaterThan(15);
  expect(small.length).toBeLessThan(40);
  expect(encoder.frames.flatMap((frame) => unwrap(frame).messages).length).toBeGreaterThan(250);
  sender.close('limit');
});

test('version 2 gathers what comes fast into few frames, and lets a short answer leave at once', async () => {
  const encoder = new Encoder();
  const pace = new Paced();
  pace.look({ available_bit_s: 160e6, rtt_ms: 50, lost: 0, bytes: 0 }, performance.now());
  const sender = new VideoSender(new MemoryPipe(), encoder, pace, { writable() {}, tellGot: () => 0, busy() {} });
  const arrived = () => new Set(encoder.frames.flatMap((frame) => unwrap(frame).messages.map(([number]) => number))).size;
  const FIRST = 8;
  for (let index = 0; index < FIRST + 3; index++) {
    sender.send(message(index, 16_000));
    await vi.advanceTimersByTimeAsync(1);
  }
  expect(arrived()).toBe(3);
  for (let index = 0; index < 500; index++) {
    sender.send(message(index, 16_000));
    await vi.advanceTimersByTimeAsync(2);
  }
  await vi.advanceTimersByTimeAsync(20);
  expect(arrived()).toBe(503);
  expect(encoder.frames.length).toBeLessThan(230);
  sender.close('limit');
});

test('version 2 leaves the DataChannel alone for a while after a packet was lost', () => {
  const pace = new Paced();
  const path = { available_bit_s: 80e6, rtt_ms: 50, bytes: 0 };
  pace.look({ ...path, lost: 0 }, performance.now());
  expect(pace.mayUseChannel()).toBe(true);
  pace.look({ ...path, lost: 1 }, performance.now());
  expect(pace.mayUseChannel()).toBe(false);
  vi.advanceTimersByTime(10_001);
  expect(pace.mayUseChannel()).toBe(true);
});
