/** What is on its way to one side of a link: sent at once where that can be, waiting in order else.
 *
 * It waits while the side is opening, while the browser's buffer for it is full, and for its turn
 * where the volunteer set a pace. What waits is bounded.
 */

import { PeerError, type LinkCode } from '../../core/errors';
import { BUFFERED_BYTES, HIGH_WATER_BYTES, LOW_WATER_BYTES, WAITING_BYTES } from '../../core/limits';
import { MessageQueue } from '../../core/traffic/queue';
import type { RateLimiter, RateLimited } from './ratelimiter';

/** One side's pipe: reliable, ordered messages. */
export interface MessagePipe {
  /** Bytes accepted by `send` and not yet sent. */
  readonly bufferedAmount: number;
  send(data: string | ArrayBuffer): void;
  /** Let `Link.roomy` be called when `bufferedAmount` is down to `LOW_WATER_BYTES`. */
  watch(): void;
  /** Close once everything accepted is sent. May be called more than once. */
  close(code: LinkCode): void;
}

export interface OutboxEvents {
  /** `bytes` were handed to the pipe. */
  carried(bytes: number): void;
  /** The pipe takes nothing more, or not fast enough. */
  failed(code: LinkCode): void;
}

export class Outbox implements RateLimited {
  readonly #pace: RateLimiter;
  readonly #events: OutboxEvents;
  readonly #queue = new MessageQueue();
  #state: 'opening' | 'open' | 'closed' = 'opening';
  #port: MessagePipe | null = null;
  /** Whether the browser's buffer was full, and is not yet down to the low mark. */
  #isFull = false;
  #end: LinkCode | null = null;

  constructor(pace: RateLimiter, events: OutboxEvents) {
    this.#pace = pace;
    this.#events = events;
  }

  get state(): 'opening' | 'open' | 'closed' {
    return this.#state;
  }

  attach(port: MessagePipe): void {
    this.#port = port;
  }

  open(): void {
    this.#state = 'open';
    this.#pump();
  }

  /** Send `data` after everything that waits. Throws PeerError when too much does. */
  write(data: ArrayBuffer): void {
    const isOpen = this.#state === 'open';
    const isFirst = this.#queue.isEmpty;
    if (isOpen && isFirst && this.#isRoomy() && this.#pace.take(data.byteLength)) {
      return this.#send(data);
    }
    this.#queue.push(data);
    const held_bytes = this.#queue.cost_bytes + (this.#port?.bufferedAmount ?? 0);
    if (held_bytes > (isOpen ? BUFFERED_BYTES : WAITING_BYTES)) {
      throw new PeerError('limit', 'more on its way than can be held');
    }
    if (isOpen && isFirst) this.#rest();
  }

  /** Send `text` now, ahead of what waits; nothing where the side is not open. */
  say(text: string): void {
    if (this.#state === 'open') this.#send(text);
  }

  /** Go on: the pipe may have room again. */
  roomy(): void {
    if (this.#state === 'open') this.#pump();
  }

  sendOne(): number {
    if (!this.#isRoomy()) {
      this.#rest();
      return 0;
    }
    const bytes = this.#shift();
    this.#rest();
    return bytes;
  }

  /** Close the side once what waits is sent. */
  finish(code: LinkCode): void {
    if (this.#state !== 'open') return this.abort(code);
    this.#end = code;
    if (this.#queue.isEmpty) this.#port?.close(code);
  }

  /** Close the side, and forget what waits. */
  abort(code: LinkCode): void {
    this.#state = 'closed';
    this.#queue.clear();
    this.#pace.leave(this);
    this.#port?.close(code);
  }

  #pump(): void {
    while (!this.#queue.isEmpty && this.#isRoomy() && this.#pace.take(this.#queue.first_bytes)) {
      this.#shift();
    }
    this.#rest();
  }

  /** Wait for what the next message needs; close if there is none to come. */
  #rest(): void {
    if (this.#queue.isEmpty) {
      if (this.#end !== null) this.#port?.close(this.#end);
    } else if (this.#isRoomy()) this.#pace.wait(this);
    else this.#port?.watch();
  }

  #isRoomy(): boolean {
    if (this.#isFull) this.#isFull = (this.#port?.bufferedAmount ?? 0) > LOW_WATER_BYTES;
    return !this.#isFull;
  }

  #shift(): number {
    const data = this.#queue.shift();
    if (data) this.#send(data);
    return data?.byteLength ?? 0;
  }

  #send(data: string | ArrayBuffer): void {
    if (!this.#port) return;
    try {
      this.#port.send(data);
    } catch (error) {
      // Else a channel that just closed, or whose browser-side buffer is full.
      return this.#events.failed(error instanceof PeerError ? error.code : 'transport');
    }
    if (typeof data !== 'string') this.#events.carried(data.byteLength);
    const { bufferedAmount } = this.#port;
    if (bufferedAmount <= HIGH_WATER_BYTES) return;
    this.#isFull = true;
    if (bufferedAmount + this.#queue.cost_bytes > BUFFERED_BYTES) this.#events.failed('limit');
  }
}
