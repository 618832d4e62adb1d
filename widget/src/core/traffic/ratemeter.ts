/** Measures how fast bytes arrive in a test of this device's rate. `core/speed.py` does the same for the program without
 * a screen.
 */

import { RATE_TEST_AHEAD_BYTES } from '../limits';

const BYTES_PER_MBIT = 125_000;
const SHORTEST_S = 0.001;

/** Return how many bytes may be on their way when `got` were acknowledged, in `elapsed_s`.
 *
 * It grows with what arrived, as TCP's own window does at the start, so that what a long line carries in a round trip is
 * found out in some of them. It is no more than what arrives in a second, or a quarter of what arrived: what a slow line
 * still holds at the end stays small.
 */
export function allowance(got: number, elapsed_s: number): number {
  const inSecond = elapsed_s > 0 ? got / elapsed_s : 0;
  return Math.max(RATE_TEST_AHEAD_BYTES + got / 4, Math.min(RATE_TEST_AHEAD_BYTES + got, inSecond));
}

/** Measures the rate at which bytes arrive. `now_s` is monotonic.
 *
 * The rate is that of the second half of the bytes: the first ones wait for a round trip, and for TCP to find out how
 * much the line carries.
 */
export class RateMeter {
  readonly #seen: (readonly [at_s: number, total: number])[];

  constructor(now_s: number) {
    this.#seen = [[now_s, 0]];
  }

  /** How many bytes may be on their way. */
  allowance(now_s: number): number {
    return allowance(this.bytes, now_s - (this.#seen[0]?.[0] ?? now_s));
  }

  /** Bytes that have arrived. */
  get bytes(): number {
    return this.#seen.at(-1)?.[1] ?? 0;
  }

  /** Take note that `total` bytes have arrived in all, which only grow. */
  take(total: number, now_s: number): void {
    if (total > this.bytes) this.#seen.push([now_s, total]);
  }

  /** Return the rate in Mbit/s when it ended at `now_s`; null for no bytes. */
  mbit(now_s: number): number | null {
    if (this.bytes === 0) return null;
    // With one message there is no first half, and all of the time counts.
    const halfway = this.#seen.slice(0, -1);
    const [since_s = 0, before = 0] = halfway.find(([, total]) => total * 2 >= this.bytes) ?? halfway[0] ?? [];
    return (this.bytes - before) / Math.max(SHORTEST_S, now_s - since_s) / BYTES_PER_MBIT;
  }
}
