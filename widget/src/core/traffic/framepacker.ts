/** Link messages on their way to the client of a media link: numbered, packed into the frames of a
 * video, and kept until the client has them (`passerelle/core/video.py`).
 *
 * A frame is `backlog u16`, the KiB that wait behind it, then `number u32 ‖ length u16 ‖ message` as
 * often as fits; a length of 0 ends it, and zeros may follow. Numbers count all messages of a link
 * from 0, whichever way they go, and travel modulo 2³². Pure.
 */

import { PeerError } from '../errors';
import { FRAME_BYTES, MEDIA_KEPT_BYTES, MESSAGE_COST_BYTES } from '../limits';

/** In front of each message that goes over the DataChannel. */
export const MESSAGE_NUMBER_BYTES = 4;
const HEAD_BYTES = 2;
const RECORD_BYTES = 6;
const KIB = 1024;

export class FramePacker {
  /** What the client is not known to have, by number. */
  readonly #kept = new Map<number, ArrayBuffer>();
  readonly #again = new Set<number>();
  #cost_bytes = 0;
  #queued_bytes = 0;
  /** Numbers of the first message kept, of the first that never left, and of the next to come. */
  #first: number;
  #unsent: number;
  #next: number;

  /** `first` is the number of the first message. */
  constructor(first = 0) {
    this.#first = this.#unsent = this.#next = first;
  }

  /** Messages taken so far. */
  get count(): number {
    return this.#next;
  }

  /** Bytes that wait for a frame, those to be sent again included. */
  get queued_bytes(): number {
    return this.#queued_bytes;
  }

  /** Whether the client has everything. */
  get isDone(): boolean {
    return this.#kept.size === 0;
  }

  /** Queue a message, of at least one byte, for a frame. Throws PeerError when too much is kept. */
  push(message: ArrayBuffer): void {
    this.#cost_bytes += message.byteLength + MESSAGE_COST_BYTES;
    if (this.#cost_bytes > MEDIA_KEPT_BYTES) {
      throw new PeerError('limit', 'more unacknowledged than a window holds');
    }
    this.#kept.set(this.#next++, message);
    this.#queued_bytes += message.byteLength;
  }

  /** Take one message that waits, with its number in front, for another way; null without any. */
  shift(): ArrayBuffer | null {
    const [number] = this.#waiting();
    if (number === undefined) return null;
    const message = this.#leave(number);
    const data = new Uint8Array(MESSAGE_NUMBER_BYTES + message.length);
    new DataView(data.buffer).setUint32(0, number);
    data.set(message, MESSAGE_NUMBER_BYTES);
    return data.buffer;
  }

  /** Take what fits into one frame; `idle_bytes` is the size of one that nothing waits for. */
  nextFrame(idle_bytes: number): ArrayBuffer {
    const numbers: number[] = [];
    let size = HEAD_BYTES;
    for (const number of this.#waiting()) {
      const length = RECORD_BYTES + (this.#kept.get(number)?.byteLength ?? 0);
      if (size + length > FRAME_BYTES) break;
      size += length;
      numbers.push(number);
    }
    const frame = new Uint8Array(numbers.length > 0 ? size : Math.max(size, idle_bytes));
    const view = new DataView(frame.buffer);
    let at = HEAD_BYTES;
    for (const number of numbers) {
      const message = this.#leave(number);
      view.setUint32(at, number);
      view.setUint16(at + 4, message.length);
      frame.set(message, at + RECORD_BYTES);
      at += RECORD_BYTES + message.length;
    }
    view.setUint16(0, Math.min(0xffff, Math.floor(this.#queued_bytes / KIB)));
    return frame.buffer;
  }

  /** Forget what comes before `next`: the client has it. Throws PeerError for what never left. */
  acknowledge(next: number): void {
    const end = this.#extend(next);
    for (; this.#first < end; this.#first++) {
      const bytes = this.#kept.get(this.#first)?.byteLength ?? 0;
      this.#cost_bytes -= bytes + MESSAGE_COST_BYTES;
      if (this.#again.delete(this.#first)) this.#queued_bytes -= bytes;
      this.#kept.delete(this.#first);
    }
  }

  /** Send again what is missing at the client. Throws PeerError for what never left. */
  resend(gaps: readonly (readonly [first: number, end: number])[]): void {
    for (const [first, end] of gaps) {
      // What arrived meanwhile is kept no more, and its number seems far ahead.
      const from = this.#first + ((first - this.#first) >>> 0);
      const to = from + ((end - first) >>> 0);
      for (let number = from; number < Math.min(to, this.#unsent); number++) {
        if (!this.#again.has(number)) this.#queued_bytes += this.#kept.get(number)?.byteLength ?? 0;
        this.#again.add(number);
      }
    }
  }

  clear(): void {
    this.#kept.clear();
    this.#again.clear();
    this.#first = this.#unsent = this.#next;
    this.#cost_bytes = this.#queued_bytes = 0;
  }

  /** Return a message that leaves now. */
  #leave(number: number): Uint8Array {
    const message = new Uint8Array(this.#kept.get(number) ?? new ArrayBuffer(0));
    this.#queued_bytes -= message.length;
    if (!this.#again.delete(number)) this.#unsent += 1;
    return message;
  }

  *#waiting(): Generator<number> {
    yield* this.#again;
    for (let number = this.#unsent; number < this.#next; number++) yield number;
  }

  #extend(number: number): number {
    const extended = this.#first + ((number - this.#first) >>> 0);
    if (extended > this.#unsent) throw new PeerError('malformed', 'a message that never left');
    return extended;
  }
}
