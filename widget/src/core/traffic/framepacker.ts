/** Packs the downstream messages of a media link into video frames, and keeps each message until the
 * client acknowledges it.
 *
 * A frame starts with `backlog u16`, the KiB that wait behind it. Records follow, as many as fit:
 * `number u32 ‖ length u16 ‖ message`. A length of 0 ends the frame, and zeros may follow it. Numbers
 * count all downstream messages of a link from 0, also those sent over the DataChannel, and travel
 * modulo 2³². docs/PROTOCOL.md describes media links.
 *
 * Messages come in order at the client, so a lost acknowledgement holds back those after it for a round trip.
 * Where frames have little to carry, the next ones have their small messages once more. Numbers make that
 * harmless, and a lost packet is then repaired by the one that follows it.
 */

import { PeerError } from '../errors';
import { FRAME_BYTES, KIB, MEDIA_KEPT_BYTES, MESSAGE_COST_BYTES } from '../limits';
import { MESSAGE_NUMBER_BYTES } from '../wire/description';

/** Size of `backlog` at the start of a frame. */
const HEAD_BYTES = 2;
/** Size of `number` and `length` in front of each message. */
const RECORD_BYTES = 6;
/** The longest message that is repeated: an acknowledgement has about a hundred bytes. */
const REPEAT_BYTES = 300;
/** A payload takes repeated messages up to this size: with a picture it still fits into one packet. */
const PACKET_BYTES = 1_000;
/** About the longest picture of an encoder, but for the first ones. */
const PICTURE_BYTES = 200;

export class FramePacker {
  /** Messages that the client has not acknowledged, by their numbers. */
  readonly #unacknowledged = new Map<number, ArrayBuffer>();
  /** Numbers of the messages to be sent again. */
  readonly #again = new Set<number>();
  readonly #most: number;
  readonly #isExact: boolean;
  /** How many more frames repeat a message, by its number. */
  readonly #repeats = new Map<number, number>();
  #cost_bytes = 0;
  #queued_bytes = 0;
  /** Number of the first message that is not acknowledged. */
  #first: number;
  /** Number of the first message that was never sent. */
  #unsent: number;
  /** Number of the next message to be pushed. */
  #next: number;

  /** `first` is the number of the first message. A small message is in `repeats` frames after its own once more.
   * No frame of an exact one has more than its room, however little that is. */
  constructor(first = 0, repeats = 0, isExact = false) {
    this.#most = repeats;
    this.#isExact = isExact;
    this.#first = this.#unsent = this.#next = first;
  }

  /** Messages pushed so far. */
  get count(): number {
    return this.#next;
  }

  /** Bytes of the messages that wait to be sent, for the first time or again. */
  get queued_bytes(): number {
    return this.#queued_bytes;
  }

  /** Whether the client has acknowledged every message. */
  get isDone(): boolean {
    return this.#unacknowledged.size === 0;
  }

  /** Queue a message of at least one byte. Throws PeerError when too much is unacknowledged. */
  push(message: ArrayBuffer): void {
    this.#cost_bytes += message.byteLength + MESSAGE_COST_BYTES;
    if (this.#cost_bytes > MEDIA_KEPT_BYTES) {
      throw new PeerError('limit', 'more unacknowledged than a window holds');
    }
    this.#unacknowledged.set(this.#next++, message);
    this.#queued_bytes += message.byteLength;
  }

  /** Take the next waiting message for the DataChannel, with its number in front; null when none waits. */
  shift(): ArrayBuffer | null {
    const [number] = this.#waiting();
    if (number === undefined) return null;
    const message = this.#markSent(number);
    const data = new Uint8Array(MESSAGE_NUMBER_BYTES + message.length);
    new DataView(data.buffer).setUint32(0, number);
    data.set(message, MESSAGE_NUMBER_BYTES);
    return data.buffer;
  }

  /** Number of the first message that was never sent, modulo 2³². */
  get unsent(): number {
    return this.#unsent >>> 0;
  }

  /** Return one frame with as many waiting messages as fit into `room_bytes`, and at least one. When `isClear`, it
   * has those that fit into one packet, perhaps none. With nothing left to send it has small messages of the last
   * frames once more. When none waited, it has at least `idle_bytes` bytes. */
  nextFrame(idle_bytes: number, room_bytes = FRAME_BYTES, isClear = false): ArrayBuffer {
    const most_bytes = isClear ? PACKET_BYTES - PICTURE_BYTES : room_bytes;
    const isIdle = this.#queued_bytes === 0;
    const numbers: number[] = [];
    let size = HEAD_BYTES;
    for (const number of this.#waiting()) {
      const length = RECORD_BYTES + (this.#unacknowledged.get(number)?.byteLength ?? 0);
      if ((this.#isExact || isClear || numbers.length > 0) && size + length > most_bytes) break;
      size += length;
      numbers.push(number);
    }
    const messages = numbers.map((number) => [number, this.#markSent(number)] as const);
    if (this.#queued_bytes === 0) {
      const repeated = this.#repeat((this.#isExact ? room_bytes : PACKET_BYTES) - size);
      for (const [, { length }] of repeated) size += RECORD_BYTES + length;
      for (const [number, { length }] of messages) {
        if (this.#most > 0 && length <= REPEAT_BYTES) this.#repeats.set(number, this.#most);
      }
      messages.unshift(...repeated);
    }
    const frame = new Uint8Array(isIdle ? Math.max(size, idle_bytes) : size);
    const view = new DataView(frame.buffer);
    let at = HEAD_BYTES;
    for (const [number, message] of messages) {
      view.setUint32(at, number);
      view.setUint16(at + 4, message.length);
      frame.set(message, at + RECORD_BYTES);
      at += RECORD_BYTES + message.length;
    }
    view.setUint16(0, Math.min(0xffff, Math.floor(this.#queued_bytes / KIB)));
    return frame.buffer;
  }

  /** Forget all messages before number `next`, because the client has them. An older number may come later.
   * Throws PeerError when one of the messages was never sent. */
  acknowledge(next: number): void {
    if (((next - this.#first) | 0) < 0) return;
    const end = this.#extend(next);
    for (; this.#first < end; this.#first++) {
      const bytes = this.#unacknowledged.get(this.#first)?.byteLength ?? 0;
      this.#cost_bytes -= bytes + MESSAGE_COST_BYTES;
      if (this.#again.delete(this.#first)) this.#queued_bytes -= bytes;
      this.#repeats.delete(this.#first);
      this.#unacknowledged.delete(this.#first);
    }
  }

  /** Queue the messages in `gaps` once more, because the client misses them. Numbers of messages that
   * are acknowledged, or were never sent, are ignored. */
  resend(gaps: readonly (readonly [first: number, end: number])[]): void {
    for (const [first, end] of gaps) {
      // It may begin before #first, with what was acknowledged since the far end asked.
      const from = this.#first + ((first - this.#first) | 0);
      const to = from + ((end - first) >>> 0);
      for (let number = Math.max(from, this.#first); number < Math.min(to, this.#unsent); number++) {
        if (!this.#again.has(number)) {
          this.#queued_bytes += this.#unacknowledged.get(number)?.byteLength ?? 0;
        }
        this.#again.add(number);
      }
    }
  }

  clear(): void {
    this.#unacknowledged.clear();
    this.#again.clear();
    this.#repeats.clear();
    this.#first = this.#unsent = this.#next;
    this.#cost_bytes = this.#queued_bytes = 0;
  }

  /** Take the messages that are due once more and fit into `room_bytes`. */
  #repeat(room_bytes: number): [number: number, message: Uint8Array][] {
    const messages: [number, Uint8Array][] = [];
    for (const [number, left] of this.#repeats) {
      const message = this.#message(number);
      room_bytes -= RECORD_BYTES + message.length;
      if (room_bytes < 0) break;
      messages.push([number, message]);
      if (left > 1) this.#repeats.set(number, left - 1);
      else this.#repeats.delete(number);
    }
    return messages;
  }

  #message(number: number): Uint8Array {
    return new Uint8Array(this.#unacknowledged.get(number) ?? new ArrayBuffer(0));
  }

  /** Return message `number` for sending, and count it as sent. */
  #markSent(number: number): Uint8Array {
    const message = this.#message(number);
    this.#queued_bytes -= message.length;
    if (!this.#again.delete(number)) this.#unsent += 1;
    return message;
  }

  /** Yield the numbers of the messages to be sent: those to be sent again come first. */
  *#waiting(): Generator<number> {
    yield* this.#again;
    for (let number = this.#unsent; number < this.#next; number++) yield number;
  }

  /** Return the full number for one that travelled modulo 2³². */
  #extend(number: number): number {
    const extended = this.#first + ((number - this.#first) >>> 0);
    if (extended > this.#unsent) throw new PeerError('malformed', 'a message that was never sent');
    return extended;
  }
}
