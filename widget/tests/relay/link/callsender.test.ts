import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FRAMES_PER_S } from '../../../src/core/traffic/callshape';
import { unwrap } from '../../../src/core/traffic/pictureframe';
import { Joiner } from '../../../src/core/traffic/pieces';
import { CallSender } from '../../../src/relay/link/callsender';
import type { EncodedFrame } from '../../../src/relay/link/videosender';
import { MemoryPipe } from './memorypipe';

const PICTURE = new Uint8Array([1, 2, 3]);
const message = (fill: number, size: number): ArrayBuffer => new Uint8Array(size).fill(fill).buffer;

/** A browser's encoder: makes a frame when asked, once it is warm, and keeps what was put in. */
class Encoder {
  asked = 0;
  isWarm = true;
  readonly frames: ArrayBuffer[] = [];
  #input!: ReadableStreamDefaultController<EncodedFrame>;
  readonly readable = new ReadableStream<EncodedFrame>({ start: (input) => void (this.#input = input) });
  readonly writable = new WritableStream<EncodedFrame>({
    write: ({ data }) => void this.frames.push(data),
  });

  requestFrame(): void {
    this.asked += 1;
    if (this.isWarm) this.#input.enqueue({ data: PICTURE.slice().buffer });
  }

  /** The messages in the frames from number `first` on. */
  messages(first = 0): ArrayBuffer[] {
    const joiner = new Joiner();
    const pieces = this.frames.slice(first).flatMap((frame) => unwrap(frame).messages);
    return pieces.map(([, piece]) => joiner.join(piece)).filter((whole) => whole !== null);
  }
}

function setUp(isWarm = true) {
  const pipe = new MemoryPipe();
  const encoder = new Encoder();
  encoder.isWarm = isWarm;
  let told = 0;
  const sender = new CallSender(pipe, encoder, { writable: () => (told += 1), ticked() {}, tellGot: () => 7 });
  return { pipe, encoder, sender, told: () => told };
}

const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1_000);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a call', () => {
  test('shows pictures at equal times, of lengths that differ, while nothing is sent', async () => {
    const { encoder, pipe } = setUp();
    await pass(4);
    expect(Math.abs(encoder.asked - 4 * FRAMES_PER_S)).toBeLessThan(8);
    const lengths = new Set(encoder.frames.map((frame) => frame.byteLength));
    expect(lengths.size).toBeGreaterThan(20);
    expect(pipe.sent).toEqual([]);
    for (const frame of encoder.frames) expect(new Uint8Array(unwrap(frame).picture)).toEqual(PICTURE);
  });

  test('shows no more of them for what waits, and carries it inside', async () => {
    const { encoder, sender, pipe } = setUp();
    sender.rate_bit_s = 10_000_000;
    await pass(1);
    const [asked, count] = [encoder.asked, encoder.frames.length];
    const sent = [message(1, 16_384), message(2, 1), message(3, 700)];
    for (const each of sent) sender.send(each);
    expect(encoder.asked).toBe(asked);
    await pass(2);
    expect(Math.abs(encoder.asked - asked - 2 * FRAMES_PER_S)).toBeLessThan(5);
    expect(encoder.messages(count)).toEqual(sent);
    expect(pipe.sent).toEqual([]);
    expect(sender.sent_bytes).toBe(16_384 + 1 + 700);
  });

  test('uses the channel until the first picture comes, and for text', async () => {
    const { encoder, sender, pipe } = setUp(false);
    sender.send(message(1, 500));
    sender.send('text');
    expect(pipe.sent).toHaveLength(3);
    encoder.isWarm = true;
    await pass(0.1);
    sender.send(message(2, 500));
    sender.send('more');
    expect(pipe.sent.slice(3)).toEqual(['more']);
  });

  test('sends again what the client misses, and closes when it has everything', async () => {
    const { encoder, sender, pipe } = setUp();
    await pass(0.2);
    sender.send(message(7, 300));
    await pass(0.2);
    sender.close('normal');
    expect(pipe.closed).toEqual([]);
    const count = encoder.frames.length;
    sender.hear({ type: 'resend', gaps: [[0, 1]] });
    await pass(0.2);
    expect(encoder.messages(count)).toEqual([message(7, 300)]);
    sender.hear({ type: 'got', next: 1 });
    expect(pipe.closed).toEqual(['normal']);
    const { asked } = encoder;
    await pass(1);
    expect(encoder.asked).toBe(asked);
  });

  test('tells when little waits', async () => {
    const { sender, told } = setUp();
    sender.rate_bit_s = 10_000_000;
    await pass(0.2);
    for (let index = 0; index < 20; index++) sender.send(message(index, 16_384));
    sender.watch();
    await pass(0.1);
    expect(told()).toBe(0);
    await pass(3);
    expect(told()).toBe(1);
  });
});
