/** How many bytes the next video frame may have, at the rate that the browser's congestion control allows.
 *
 * A browser that is given more lets it wait, and drops frames in the end.
 */

/** The part of the rate that is left for frames. The rest is for the headers of packets, and for repeating lost ones. */
const FRAME_SHARE = 0.92;
/** The time at the allowed rate that may be saved up, because frames do not come at exact moments. A path may have
 * little room for more at once. */
const BURST_S = 0.06;
/** Bytes that may be saved up at any rate. */
const BURST_BYTES = 3_000;
/** The time at the allowed rate that a frame is worth, while much waits: each frame costs work. */
const FRAME_S = 0.008;
/** The shortest frame that is worth making while more waits: about one packet. */
const FRAME_LEAST_BYTES = 1_100;
/** The rate before the browser has said one. */
const START_BIT_S = 5_000_000;

export class FrameBudget {
  #rate_bytes_s = 0;
  #bytes = BURST_BYTES;
  #at_ms: number;

  constructor(now_ms: number) {
    this.#at_ms = now_ms;
    this.setRate(START_BIT_S);
  }

  /** Let frames have their share of `bit_s`, the rate of all that the browser sends. */
  setRate(bit_s: number): void {
    this.#rate_bytes_s = (bit_s / 8) * FRAME_SHARE;
  }

  /** Bytes that may be sent now. */
  available(now_ms: number): number {
    const most = this.#rate_bytes_s * BURST_S + BURST_BYTES;
    this.#bytes = Math.min(most, this.#bytes + ((now_ms - this.#at_ms) / 1_000) * this.#rate_bytes_s);
    this.#at_ms = now_ms;
    return this.#bytes;
  }

  /** Whether a frame is worth making now, of at most `most_bytes`. */
  isEnough(most_bytes: number, now_ms: number): boolean {
    const worth = Math.max(FRAME_LEAST_BYTES, this.#rate_bytes_s * FRAME_S);
    return this.available(now_ms) >= Math.min(most_bytes, worth);
  }

  /** Take the bytes of a frame, which may be more than there were. */
  spend(bytes: number): void {
    this.#bytes -= bytes;
  }
}
