/** What part of a path's delay is its length, what is jitter, and what is a queue.
 *
 * Mobile networks and Wi-Fi hold each packet back for a time of its own and keep the order, so a busy sender sees a
 * delay that stands like a queue. Jitter jumps, whereas a queue grows and drains steadily: the jump of a look is its
 * distance from the middle of the looks before and after it. `core/media/delay.py` is the same for the client.
 */

/** The time between two looks. A look's delay is the shortest since the last look. */
const LOOK_MS = 10;
/** Looks farther apart are not compared, because a queue changes as much in that time. */
const LOOKS_APART_MS = 100;
/** Most jumps that the median is taken of, and fewest. */
const JUMPS = 100;
const JUMPS_LEAST = 8;
/** A smaller median jump is no jitter, nor is one shorter than a packet of PACKET_BYTES takes on the path. */
const JUMP_LEAST_MS = 5;
const PACKET_BYTES = 1_200;
/** The jitter is at most so many times the median jump. */
const JITTER_JUMPS = 8;
/** Looks of which the usual delay is taken, and the quantile that is usual. */
const DELAYS = 200;
const USUAL_SHARE = 0.8;
/** A longer pause between two packets ends a burst. */
const BURST_GAP_MS = 5;
/** The rate at which a burst drains is this quantile of the rates seen in single looks. */
const BUSY_SHARE = 0.8;
/** How long jitter is believed that does not show again, and the most that is taken for it. */
const JITTER_AGE_MS = 30_000;
const JITTER_MOST_MS = 200;

/** The smallest of the values of the last `age_ms`, forgotten in steps of a quarter of that; Infinity without any. */
export class Least {
  value = Infinity;
  readonly #step_ms: number;
  readonly #steps: number[] = [];
  #turn_ms = -Infinity;

  constructor(age_ms: number) {
    this.#step_ms = age_ms / 4;
  }

  add(value: number, now_ms: number): void {
    const last = this.#steps.length - 1;
    if (now_ms >= this.#turn_ms) {
      this.#turn_ms = now_ms + this.#step_ms;
      keep(this.#steps, value, 4);
      this.value = Math.min(...this.#steps);
    } else if (value < this.#steps[last]!) {
      this.#steps[last] = value;
      this.value = Math.min(this.value, value);
    }
  }
}

/** What was seen since the last look. */
interface Look {
  readonly began_ms: number;
  size: number;
  /** The shortest delay, and the shortest without the queue that this sender's own burst makes. */
  delay_ms: number;
  rest_ms: number;
}

/** The delays of one direction of a path. Call `add` for each packet, and `update` every few milliseconds. */
export class PathDelay {
  /** The delay at the last update, without the shortest one and without jitter. */
  queue_ms = 0;
  /** How much longer than the shortest a delay is without any queue. */
  jitter_ms = 0;
  readonly #least: Least;
  /** The longest delay that jitter explains, negated. */
  readonly #jittery = new Least(JITTER_AGE_MS);
  /** The shortest delay since the last update. */
  #delay_ms = Infinity;
  #sent_ms = -Infinity;
  /** What is left of the queue of the current burst, and the rate at which it drains, in bytes per millisecond. */
  #burst_ms = 0;
  #rate = Infinity;
  #look = look(-Infinity);
  #looks: Look[] = [];
  readonly #rates: number[] = [];
  readonly #jumps: number[] = [];
  readonly #delays: number[] = [];

  /** A shortest delay is believed for `leastAge_ms`. */
  constructor(leastAge_ms: number) {
    this.#least = new Least(leastAge_ms);
  }

  /** Take `size` bytes, in the order of arrival. The two times may be of different clocks. */
  add(size: number, sent_ms: number, arrived_ms: number): void {
    const gap_ms = sent_ms - this.#sent_ms;
    this.#sent_ms = Math.max(this.#sent_ms, sent_ms);
    const waiting_ms = gap_ms > BURST_GAP_MS ? 0 : Math.max(0, this.#burst_ms - Math.max(0, gap_ms));
    this.#burst_ms = waiting_ms + size / this.#rate;
    const delay_ms = arrived_ms - sent_ms;
    const rest_ms = delay_ms - Math.min(waiting_ms, Math.max(0, delay_ms - this.#least.value));
    this.#look.size += size;
    this.#look.delay_ms = Math.min(this.#look.delay_ms, delay_ms);
    this.#look.rest_ms = Math.min(this.#look.rest_ms, rest_ms);
    this.#delay_ms = Math.min(this.#delay_ms, delay_ms);
  }

  /** Judge what came since the last update; return whether there was anything. */
  update(now_ms: number): boolean {
    const delay_ms = this.#delay_ms;
    this.#delay_ms = Infinity;
    if (delay_ms === Infinity) return false;
    this.#least.add(delay_ms, now_ms);
    if (now_ms - this.#look.began_ms >= LOOK_MS) this.#endLook(now_ms);
    const least_ms = this.#least.value;
    this.jitter_ms = Math.min(Math.max(0, -this.#jittery.value - least_ms), JITTER_MOST_MS);
    this.queue_ms = Math.max(0, delay_ms - least_ms - this.jitter_ms);
    return true;
  }

  #endLook(now_ms: number): void {
    const ended = this.#look;
    this.#look = look(now_ms);
    const length_ms = now_ms - ended.began_ms;
    keep(this.#delays, ended.delay_ms, DELAYS);
    keep(this.#rates, ended.size / length_ms, JUMPS);
    this.#rate = quantile(this.#rates, BUSY_SHARE) || Infinity;
    if (length_ms > LOOKS_APART_MS) this.#looks = [];
    keep(this.#looks, ended, 3);
    const [before, middle, after] = this.#looks;
    if (before && middle && after) {
      const jump_ms = Math.abs(middle.delay_ms - (before.delay_ms + after.delay_ms) / 2);
      const rest_ms = Math.abs(middle.rest_ms - (before.rest_ms + after.rest_ms) / 2);
      keep(this.#jumps, Math.min(jump_ms, rest_ms), JUMPS);
    }
    this.#jittery.add(-this.#explained_ms(), now_ms);
  }

  /** Return the longest delay that jitter explains now; minus infinity without jitter. */
  #explained_ms(): number {
    if (this.#jumps.length < JUMPS_LEAST) return -Infinity;
    const jump_ms = quantile(this.#jumps, 0.5);
    if (jump_ms < Math.max(JUMP_LEAST_MS, PACKET_BYTES / this.#rate)) return -Infinity;
    return Math.min(quantile(this.#delays, USUAL_SHARE), this.#least.value + JITTER_JUMPS * jump_ms);
  }
}

const look = (began_ms: number): Look => ({ began_ms, size: 0, delay_ms: Infinity, rest_ms: Infinity });

/** Add `value` to the last ones, of which there are `most`. */
export function keep<T>(values: T[], value: T, most: number): void {
  if (values.push(value) > most) values.shift();
}

const quantile = (values: readonly number[], share: number) =>
  [...values].sort((a, b) => a - b)[Math.floor(share * values.length)]!;
