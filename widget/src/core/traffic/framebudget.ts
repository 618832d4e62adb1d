/** How many bytes the next video frame may have, at the rate that the browser's congestion control allows.
 *
 * A browser that is given more drops frames.
 */

/** The time at the allowed rate that may be saved up, because frames do not come at exact moments. */
const BURST_S = 0.1;
/** Bytes that may be saved up at any rate. */
const BURST_BYTES = 3_000;
/** The rate before the browser has said one. */
const START_BIT_S = 5_000_000;

export class FrameBudget {
  rate_bit_s = START_BIT_S;
  #bytes = BURST_BYTES;
  #at_ms: number;

  constructor(now_ms: number) {
    this.#at_ms = now_ms;
  }

  /** Bytes that may be sent now. */
  available(now_ms: number): number {
    const most = (this.rate_bit_s / 8) * BURST_S + BURST_BYTES;
    this.#bytes = Math.min(most, this.#bytes + ((now_ms - this.#at_ms) / 8_000) * this.rate_bit_s);
    this.#at_ms = now_ms;
    return this.#bytes;
  }

  /** Take the bytes of a frame, which may be more than there were. */
  spend(bytes: number): void {
    this.#bytes -= bytes;
  }
}
