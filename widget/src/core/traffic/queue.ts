/** Messages that wait in order. Taking the first message costs the same whether few or many wait. */

import { MESSAGE_COST_BYTES } from '../limits';

/** Messages taken before their slots in the array are given back. */
const SLACK = 256;

export class MessageQueue {
  #messages: ArrayBuffer[] = [];
  #first = 0;
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#first === this.#messages.length;
  }

  /** The waiting messages' bytes, plus `MESSAGE_COST_BYTES` for each message. */
  get cost_bytes(): number {
    return this.#bytes + (this.#messages.length - this.#first) * MESSAGE_COST_BYTES;
  }

  /** Bytes of the first message; 0 when the queue is empty. */
  get first_bytes(): number {
    return this.#messages[this.#first]?.byteLength ?? 0;
  }

  push(message: ArrayBuffer): void {
    this.#messages.push(message);
    this.#bytes += message.byteLength;
  }

  /** Take the first message; undefined when the queue is empty. */
  shift(): ArrayBuffer | undefined {
    const message = this.#messages[this.#first];
    if (!message) return undefined;
    this.#first += 1;
    this.#bytes -= message.byteLength;
    if (this.isEmpty) this.clear();
    else if (this.#first >= SLACK && 2 * this.#first >= this.#messages.length) {
      this.#messages = this.#messages.slice(this.#first);
      this.#first = 0;
    }
    return message;
  }

  clear(): void {
    this.#messages = [];
    this.#first = this.#bytes = 0;
  }
}
