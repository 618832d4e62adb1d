/** How fast to send where the browser does not say what its congestion control allows, as in Firefox.
 *
 * The rate is raised while what is sent arrives without a queue, and follows what arrives when a queue stands.
 * Losses alone change nothing. A browser that allows less keeps the rest before itself, where it is a queue as well,
 * and less arrives.
 */

/** What the browser says of the path of one connection. */
export interface Path {
  /** The browser's estimate; 0 where it says none. */
  readonly available_bit_s: number;
  /** The round trip of its last report; null before the first one. */
  readonly rtt_ms: number | null;
  /** Packets that are reported lost, since the beginning. */
  readonly lost: number;
  /** All bytes that were sent and received. */
  readonly bytes: number;
}

/** The rate before anything is known. */
const START_BIT_S = 5_000_000;
const LEAST_BIT_S = 300_000;
const MOST_BIT_S = 150_000_000;
/** What a packet carries. */
const PACKET_BITS = 8 * 1_150;
/** The time between two changes: reports come about once a second. */
const APART_MS = 800;
/** Growth in that time. */
const GAIN = 1.4;
/** The share of the rate that must arrive before it is raised, or else nobody needs more. */
const USED = 0.6;
/** The share of what arrives that is sent while a queue stands. */
const DRAIN = 0.8;
/** A longer queue counts as one: a time, or a share of the round trip. */
const QUEUE_MS = 40;
const QUEUE_SHARE = 0.3;
/** The shortest round trip is believed for this time. The path may have become longer, or be shared. */
const LEAST_AGE_MS = 20_000;

export class OwnRate {
  bit_s = START_BIT_S;
  #leastRtt_ms = Infinity;
  #leastAt_ms = 0;
  #at_ms = -Infinity;
  #arrived = 0;

  /** Take what the browser says of the path, and how many packets were sent since the beginning. */
  look({ rtt_ms, lost }: Path, sent: number, now_ms: number): void {
    if (rtt_ms !== null && (rtt_ms <= this.#leastRtt_ms || now_ms - this.#leastAt_ms > LEAST_AGE_MS)) {
      this.#leastRtt_ms = rtt_ms;
      this.#leastAt_ms = now_ms;
    }
    const passed_ms = now_ms - this.#at_ms;
    if (passed_ms < APART_MS) return;
    const arrived = sent - lost;
    const arrived_bit_s = ((arrived - this.#arrived) * PACKET_BITS * 1_000) / passed_ms;
    this.#at_ms = now_ms;
    this.#arrived = arrived;
    if (rtt_ms === null) return;
    const queue_ms = rtt_ms - this.#leastRtt_ms;
    if (queue_ms > Math.max(QUEUE_MS, QUEUE_SHARE * this.#leastRtt_ms)) {
      this.bit_s = Math.max(LEAST_BIT_S, Math.min(this.bit_s, DRAIN * arrived_bit_s));
    } else if (arrived_bit_s > USED * this.bit_s) {
      this.bit_s = Math.min(MOST_BIT_S, GAIN * this.bit_s);
    }
  }
}
