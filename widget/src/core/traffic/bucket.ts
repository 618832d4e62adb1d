/** A token bucket that may be overdrawn by what is taken last, and waits until that is paid back.
 *
 * So one message larger than the bucket passes, and over any time t no more than `rate` × t +
 * `burst` + one message. Pure: the time is an argument, in milliseconds that never go back.
 */

export class Bucket {
  readonly #rate_per_ms: number;
  readonly #burst: number;
  #level: number;
  #at_ms: number;

  /** `rate_per_s` above 0; `burst` is what a quiet bucket saves up. It begins full. */
  constructor(rate_per_s: number, burst: number, now_ms: number) {
    this.#rate_per_ms = rate_per_s / 1000;
    this.#burst = this.#level = burst;
    this.#at_ms = now_ms;
  }

  /** Take `amount` if nothing is owed; tell whether it was taken. */
  take(amount: number, now_ms: number): boolean {
    if (this.wait_ms(now_ms) > 0) return false;
    this.#level -= amount;
    return true;
  }

  /** Whole milliseconds until something can be taken; 0 when it can be now. */
  wait_ms(now_ms: number): number {
    const gained = (now_ms - this.#at_ms) * this.#rate_per_ms;
    this.#level = Math.min(this.#burst, this.#level + gained);
    this.#at_ms = now_ms;
    return this.#level < 0 ? Math.ceil(-this.#level / this.#rate_per_ms) : 0;
  }
}
