/** Puts the numbered messages of a media link in order. They may come twice, late, or over two ways. */

import { PeerError } from '../errors';
import { MEDIA_KEPT_BYTES, MESSAGE_COST_BYTES, MESSAGES_AHEAD } from '../limits';

export class MessageOrder {
  readonly #held = new Map<number, ArrayBuffer>();
  #next: number;
  #cost_bytes = 0;

  /** `first` is the number of the first message. */
  constructor(first = 0) {
    this.#next = first;
  }

  /** The full number of the next message. */
  get next(): number {
    return this.#next;
  }

  /** Bytes of the messages that wait for one before them, with what each costs. */
  get held_bytes(): number {
    return this.#cost_bytes;
  }

  /** Return about how many bytes before the 32-bit number `unsent` are not here: messages that are missing are taken to
   * be as long as those that wait; 0 where none waits. */
  missing_bytes(unsent: number): number {
    const { size } = this.#held;
    return size === 0 ? 0 : Math.max(0, this.behind(unsent) - size) * (this.#cost_bytes / size);
  }

  /** Take a message with its 32-bit number; return the messages that are in order now. Throws PeerError. */
  add(number: number, message: ArrayBuffer): ArrayBuffer[] {
    const ahead = (number - this.#next) | 0;
    const full = this.#next + ahead;
    if (ahead < 0 || this.#held.has(full)) return [];
    if (ahead > 0) {
      this.#cost_bytes += message.byteLength + MESSAGE_COST_BYTES;
      if (this.#cost_bytes > MEDIA_KEPT_BYTES || ahead > MESSAGES_AHEAD) {
        throw new PeerError('limit', 'too many messages out of order');
      }
      this.#held.set(full, message);
      return [];
    }
    const ready = [message];
    for (this.#next += 1; ; this.#next += 1) {
      const held = this.#held.get(this.#next);
      if (!held) return ready;
      this.#held.delete(this.#next);
      this.#cost_bytes -= held.byteLength + MESSAGE_COST_BYTES;
      ready.push(held);
    }
  }

  /** Return how many messages lack or wait before the 32-bit number `unsent`. */
  behind(unsent: number): number {
    return Math.max(0, (unsent - this.#next) | 0);
  }

  /** Return the first gaps before the 32-bit number `unsent`, at most `most`, in 32-bit numbers. */
  missing(unsent: number, most: number): [first: number, end: number][] {
    const gaps: [number, number][] = [];
    let expected = this.#next;
    const held = [...this.#held.keys()].sort((a, b) => a - b);
    for (const number of [...held, this.#next + this.behind(unsent)]) {
      if (gaps.length === most) break;
      if (number > expected) gaps.push([expected >>> 0, number >>> 0]);
      expected = number + 1;
    }
    return gaps;
  }
}
