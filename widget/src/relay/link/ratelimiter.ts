/** Keeps all links together below one rate. Those that must wait send one message each in turn. */

import { Bucket } from '../../core/traffic/bucket';

/** What the rate allows in this time is saved up while less is sent. So a timer may be this late at no loss. */
const BURST_S = 0.1;
const BYTES_PER_MBIT = 125_000;

/** Something with messages that wait for their turn. */
export interface RateLimited {
  /** Send one message and return its bytes; return 0 when none can be sent. It must call `wait` again for
   * its next message. */
  sendOne(): number;
}

export class RateLimiter {
  /** Null where there is no limit. */
  #bucket: Bucket | null = null;
  /** Those that wait, in the order of their turns. */
  readonly #waiting = new Set<RateLimited>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Allow `mbit` × 10⁶ bits a second from now on; Infinity for no limit. */
  setRate(mbit: number): void {
    const rate_per_s = mbit * BYTES_PER_MBIT;
    this.#bucket = Number.isFinite(mbit)
      ? new Bucket(rate_per_s, rate_per_s * BURST_S, performance.now())
      : null;
    clearTimeout(this.#timer);
    this.#run();
  }

  /** Return whether `bytes` may be sent at once. If so, they are counted. Nobody that waits is overtaken. */
  take(bytes: number): boolean {
    if (!this.#bucket) return true;
    return this.#waiting.size === 0 && this.#bucket.take(bytes, performance.now());
  }

  /** Count `bytes` that were sent already, so that what waits goes later. */
  charge(bytes: number): void {
    this.#bucket?.charge(bytes, performance.now());
  }

  /** Give `sender` a turn after all that wait already. */
  wait(sender: RateLimited): void {
    this.#waiting.add(sender);
    this.#timer ??= this.#wake();
  }

  /** Give `sender` no turn any more. */
  leave(sender: RateLimited): void {
    this.#waiting.delete(sender);
    if (this.#waiting.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #run(): void {
    // A sender that waits again during its turn is added at the end of the set, and visited again.
    for (const sender of this.#waiting) {
      if (this.#wait_ms() > 0) break;
      this.#waiting.delete(sender);
      const bytes = sender.sendOne();
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
