/** A token bucket. Any amount may be taken from it unless it is in debt, and taking may put it in debt. Then
 * nothing can be taken until the debt is paid back.
 *
 * So a message larger than the bucket passes, and any span of t seconds passes at most `rate` × t +
 * `burst` + one message. The time is an argument, in milliseconds that never go back.
 */

export class Bucket {
  readonly #rate_per_ms: number;
  readonly #burst: number;
  #level: number;
  #at_ms: number;

  /** `rate_per_s` is above 0. `burst` is what the bucket saves up while idle; it starts full. */
  constructor(rate_per_s: number, burst: number, now_ms: number) {
    this.#rate_per_ms = rate_per_s / 1000;
    this.#burst = this.#level = burst;
    this.#at_ms = now_ms;
  }

  /** Take `amount` unless the bucket is in debt. Return whether it was taken. */
  take(amount: number, now_ms: number): boolean {
    if (this.wait_ms(now_ms) > 0) return false;
    this.#level -= amount;
    return true;
  }

  /** Take `amount` whatever there is. The debt never takes longer than a second to pay back. */
  charge(amount: number, now_ms: number): void {
    this.wait_ms(now_ms);
    this.#level = Math.max(this.#level - amount, Math.min(this.#level, -this.#rate_per_ms * 1_000));
  }

  /** Return the whole milliseconds until something can be taken: 0 when it can be taken now. */
  wait_ms(now_ms: number): number {
    const gained = (now_ms - this.#at_ms) * this.#rate_per_ms;
    this.#level = Math.min(this.#burst, this.#level + gained);
    this.#at_ms = now_ms;
    return this.#level < 0 ? Math.ceil(-this.#level / this.#rate_per_ms) : 0;
  }
}
