import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { unfill } from '../../../src/core/traffic/callframe';
import type { Look } from '../../../src/core/traffic/scene';
import { Joiner } from '../../../src/core/traffic/pieces';
import { CallSender } from '../../../src/relay/link/callsender';
import type { EncodedFrame } from '../../../src/relay/link/videosender';
import { MemoryPipe } from './memorypipe';

const LOOK: Look = { width: 64, height: 36, frames_per_s: 20, noise: 9, motion: 9, talk: 0.5, late_s: 0.003, bound_bit_s: 0 };
const FRAMES_PER_S = LOOK.frames_per_s;
const message = (fill: number, size: number): ArrayBuffer => new Uint8Array(size).fill(fill).buffer;

/** A browser's encoder: makes a frame of any length when asked, once it is warm, and keeps what is sent. */
class Encoder {
  asked = 0;
  isWarm = true;
  readonly made: number[] = [];
  readonly frames: ArrayBuffer[] = [];
  #input!: ReadableStreamDefaultController<EncodedFrame>;
  readonly readable = new ReadableStream<EncodedFrame>({ start: (input) => void (this.#input = input) });
  readonly writable = new WritableStream<EncodedFrame>({
    write: ({ data }) => void this.frames.push(data),
  });

  requestFrame(): void {
    this.asked += 1;
    if (!this.isWarm) return;
    const data = new Uint8Array([10, 500, 3_000][this.made.length % 3] as number).fill(1);
    this.made.push(data.length);
    this.#input.enqueue({ data: data.buffer });
  }

  /** The messages in the frames from number `first` on. */
  messages(first = 0): ArrayBuffer[] {
    const joiner = new Joiner();
    const pieces = this.frames.slice(first).flatMap((frame) => {
      const taken = unfill(frame);
      return 'got' in taken ? taken.messages : [];
    });
    // Where there is room, a frame has what the last ones had once more.
    const fresh = [...new Map(pieces).entries()].sort(([one], [other]) => one - other);
    return fresh.map(([, piece]) => joiner.join(piece)).filter((whole) => whole !== null);
  }
}

function setUp(isWarm = true) {
  const pipe = new MemoryPipe();
  const encoder = new Encoder();
  encoder.isWarm = isWarm;
  let told = 0;
  const sender = new CallSender(pipe, encoder, LOOK, { writable: () => (told += 1), ticked() {}, tellGot: () => 7 });
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
  test('shows pictures in a rhythm while nothing is sent, of lengths that are the encoder\'s own', async () => {
    const { encoder, pipe } = setUp();
    await pass(4);
    expect(Math.abs(encoder.asked - 4 * FRAMES_PER_S)).toBeLessThan(5);
    expect(encoder.frames.map((frame) => frame.byteLength)).toEqual(encoder.made);
    expect(pipe.sent).toEqual([]);
  });

  test('shows no more of them for what waits, and carries it inside', async () => {
    const { encoder, sender, pipe } = setUp();
    await pass(1);
    const [asked, count] = [encoder.asked, encoder.frames.length];
    const sent = [message(1, 16_384), message(2, 1), message(3, 700)];
    for (const each of sent) sender.send(each);
    expect(encoder.asked).toBe(asked);
    await pass(2);
    expect(Math.abs(encoder.asked - asked - 2 * FRAMES_PER_S)).toBeLessThan(5);
    expect(encoder.messages(count)).toEqual(sent);
    expect(encoder.frames.map((frame) => frame.byteLength)).toEqual(encoder.made);
    expect(pipe.sent).toEqual([]);
    expect(sender.sent_bytes).toBe(16_384 + 1 + 700);
  });

  test('uses the channel for text only, also before the first picture comes', async () => {
    const { encoder, sender, pipe } = setUp(false);
    sender.send(message(1, 500));
    sender.send('text');
    await pass(0.2);
    encoder.isWarm = true;
    await pass(0.2);
    expect(pipe.sent).toEqual(['text']);
    expect(encoder.messages()).toEqual([message(1, 500)]);
  });

  test('sends again what the client misses, and closes when it has everything', async () => {
    const { encoder, sender, pipe } = setUp();
    await pass(0.2);
    sender.send(message(7, 300));
    await pass(0.2);
    sender.close('normal');
    expect(pipe.closed).toEqual([]);
    const count = encoder.frames.length;
    sender.hear({ type: 'resend', gaps: [[0, 2]] });
    await pass(0.2);
    expect(encoder.messages(count)).toEqual([message(7, 300)]);
    sender.hear({ type: 'got', next: 2 });
    expect(pipe.closed).toEqual(['normal']);
    const { asked } = encoder;
    await pass(1);
    expect(encoder.asked).toBe(asked);
  });

  test('tells when little waits', async () => {
    const { sender, told } = setUp();
    await pass(0.2);
    for (let index = 0; index < 20; index++) sender.send(message(index, 16_384));
    sender.watch();
    await pass(0.1);
    expect(told()).toBe(0);
    await pass(20);
    expect(told()).toBe(1);
  });
});
