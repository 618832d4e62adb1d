/** Shares one rate among all links: what has to wait gets one message a turn, round robin. */

import { Bucket } from '../../core/traffic/bucket';

/** What a quiet volunteer may catch up on, and how late a timer may be at no loss. */
const BURST_S = 0.1;
const BYTES_PER_MBIT = 125_000;

/** Something with messages that wait for their turn. */
export interface RateLimited {
  /** Send one message and return its bytes; wait again for the next. 0 when there is none. */
  sendOne(): number;
}

export class RateLimiter {
  /** Null where there is no limit. */
  #bucket: Bucket | null = null;
  /** In the order of their turns. */
  readonly #waiting = new Set<RateLimited>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Allow `mbit` × 10⁶ bits a second from now on; Infinity for no limit. */
  limit(mbit: number): void {
    const rate_per_s = mbit * BYTES_PER_MBIT;
    this.#bucket = Number.isFinite(mbit)
      ? new Bucket(rate_per_s, rate_per_s * BURST_S, performance.now())
      : null;
    clearTimeout(this.#timer);
    this.#run();
  }

  /** Tell whether `bytes` may go at once, ahead of nobody; then they are counted. */
  take(bytes: number): boolean {
    if (!this.#bucket) return true;
    return this.#waiting.size === 0 && this.#bucket.take(bytes, performance.now());
  }

  /** Give `taker` a turn after those who wait already. */
  wait(taker: RateLimited): void {
    this.#waiting.add(taker);
    this.#timer ??= this.#wake();
  }

  /** Give `taker` no turn. */
  leave(taker: RateLimited): void {
    this.#waiting.delete(taker);
    if (this.#waiting.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #run(): void {
    // Whoever waits again in its turn is visited again, after the others.
    for (const taker of this.#waiting) {
      if (this.#wait_ms() > 0) break;
      this.#waiting.delete(taker);
      const bytes = taker.sendOne();
      this.#bucket?.take(bytes, performance.now());
    }
    this.#timer = this.#waiting.size > 0 ? this.#wake() : undefined;
  }

  #wake(): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.#run(), this.#wait_ms());
  }

  #wait_ms(): number {
    return this.#bucket?.wait_ms(performance.now()) ?? 0;
  }
}
