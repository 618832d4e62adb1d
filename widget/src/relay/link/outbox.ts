/** Messages on their way to one side of a link.
 *
 * A message is sent at once if possible. Otherwise it waits in order: while the side is opening, while the
 * browser's buffer for it is full, or for its turn under the volunteer's rate limit. What waits is bounded.
 */

import { PeerError, type LinkCode } from '../../core/errors';
import { BUFFERED_BYTES, HIGH_WATER_BYTES, LOW_WATER_BYTES, WAITING_BYTES } from '../../core/limits';
import { MessageQueue } from '../../core/traffic/queue';
import type { RateLimiter, RateLimited } from './ratelimiter';

/** A pipe to one side of a link. It carries messages reliably and in order. */
export interface MessagePipe {
  /** Bytes that `send` accepted and that are not sent yet. */
  readonly bufferedAmount: number;
  send(data: string | ArrayBuffer): void;
  /** Ask for a call of `Link.writable` once `bufferedAmount` is down to `LOW_WATER_BYTES`. */
  watch(): void;
  /** Close the pipe once everything accepted is sent. It may be called more than once. */
  close(code: LinkCode): void;
}

export interface OutboxEvents {
  /** The pipe accepted `bytes`. */
  carried(bytes: number): void;
  /** The pipe takes nothing any more, or too slowly. */
  failed(code: LinkCode): void;
}

export class Outbox implements RateLimited {
  readonly #limiter: RateLimiter;
  readonly #events: OutboxEvents;
  readonly #queue = new MessageQueue();
  #state: 'opening' | 'open' | 'closed' = 'opening';
  #pipe: MessagePipe | null = null;
  /** Whether the browser's buffer was filled and is not yet down to the low mark. */
  #isFull = false;
  /** The code to close the pipe with once the queue is empty. */
  #end: LinkCode | null = null;

  constructor(limiter: RateLimiter, events: OutboxEvents) {
    this.#limiter = limiter;
    this.#events = events;
  }

  get state(): 'opening' | 'open' | 'closed' {
    return this.#state;
  }

  /** Use `pipe`, which need not be open yet. */
  attach(pipe: MessagePipe): void {
    this.#pipe = pipe;
  }

  /** Start sending: the pipe is open now. */
  open(): void {
    this.#state = 'open';
    this.#pump();
  }

  /** Send `data` after everything that waits. Throws PeerError when too much waits. */
  write(data: ArrayBuffer): void {
    const isOpen = this.#state === 'open';
    const isFirst = this.#queue.isEmpty;
    if (isOpen && isFirst && this.#hasRoom() && this.#limiter.take(data.byteLength)) {
      return this.#send(data);
    }
    this.#queue.push(data);
    const held_bytes = this.#queue.cost_bytes + (this.#pipe?.bufferedAmount ?? 0);
    if (held_bytes > (isOpen ? BUFFERED_BYTES : WAITING_BYTES)) {
      throw new PeerError('limit', 'more on its way than can be held');
    }
    if (isOpen && isFirst) this.#wait();
  }

  /** Send `text` at once, before everything that waits. It is dropped unless the pipe is open. */
  say(text: string): void {
    if (this.#state === 'open') this.#send(text);
  }

  /** Go on sending: the pipe may have room again. */
  writable(): void {
    if (this.#state === 'open') this.#pump();
  }

  sendOne(): number {
    const bytes = this.#hasRoom() ? this.#sendFirst() : 0;
    this.#wait();
    return bytes;
  }

  /** Close the pipe once everything that waits is sent. */
  finish(code: LinkCode): void {
    if (this.#state !== 'open') return this.abort(code);
    this.#end = code;
    if (this.#queue.isEmpty) this.#pipe?.close(code);
  }

  /** Close the pipe, and drop everything that waits. */
  abort(code: LinkCode): void {
    this.#state = 'closed';
    this.#queue.clear();
    this.#limiter.leave(this);
    this.#pipe?.close(code);
  }

  #pump(): void {
    while (!this.#queue.isEmpty && this.#hasRoom() && this.#limiter.take(this.#queue.first_bytes)) {
      this.#sendFirst();
    }
    this.#wait();
  }

  /** Wait for a turn or for room, whichever the first message needs. With an empty queue nothing is waited
   * for, and `finish` may close the pipe. */
  #wait(): void {
    if (this.#queue.isEmpty) {
      if (this.#end !== null) this.#pipe?.close(this.#end);
    } else if (this.#hasRoom()) this.#limiter.wait(this);
    else this.#pipe?.watch();
  }

  #hasRoom(): boolean {
    if (this.#isFull) this.#isFull = (this.#pipe?.bufferedAmount ?? 0) > LOW_WATER_BYTES;
    return !this.#isFull;
  }

  #sendFirst(): number {
    const data = this.#queue.shift();
    if (data) this.#send(data);
    return data?.byteLength ?? 0;
  }

  #send(data: string | ArrayBuffer): void {
    if (!this.#pipe) return;
    try {
      this.#pipe.send(data);
    } catch (error) {
      // Anything but a PeerError comes from a channel that just closed, or whose buffer is full.
      return this.#events.failed(error instanceof PeerError ? error.code : 'transport');
    }
    if (typeof data !== 'string') this.#events.carried(data.byteLength);
    const { bufferedAmount } = this.#pipe;
    if (bufferedAmount <= HIGH_WATER_BYTES) return;
    this.#isFull = true;
    if (bufferedAmount + this.#queue.cost_bytes > BUFFERED_BYTES) this.#events.failed('limit');
  }
}
