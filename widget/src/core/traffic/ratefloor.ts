/** How low a browser's own estimate may go on a path that loses packets without a queue.
 *
 * Chromium takes a loss of more than a twentieth for congestion, whatever the delay is: at 10 % its estimate falls to
 * about 1 Mbit/s on a path that carries hundred times as much. A mobile network or a censor loses so much at any rate.
 * So where many packets are lost and the round trip shows no queue, the estimate is kept near what it was before. What
 * it was then comes from the browser's probes, which measure at which rate packets arrive. As soon as a queue shows,
 * somebody else needs the path or there is less of it, and the browser decides alone.
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

/** Losses are counted over this time, and over as many packets at least. */
const LOSS_MS = 2_000;
const LOSS_PACKETS = 100;
/** The share of lost packets from which on the browser's estimate is not believed. It is a little less than what
 * Chromium bears, because in a short time the share may be larger by chance. */
const LOSSY = 0.03;
/** With a larger share the rate itself is taken for the reason. */
const LOST_MOST = 0.4;
/** A longer queue counts as one: a time, or a share of the round trip. */
const QUEUE_MS = 40;
const QUEUE_SHARE = 0.3;
/** A queue must be seen for this time, because a busy machine is late now and then. */
const QUEUE_SEEN_MS = 700;
/** The estimate of so long ago is remembered. */
const BEST_MS = 15_000;
/** The floor, as a share of the best estimate. */
const SHARE = 0.8;
/** A floor that is used without a queue is raised by this factor. */
const GAIN = 1.4;
/** The share of the floor that must be sent for that. */
const USED = 0.8;
/** The highest floor that is tried. The browser may allow more by itself. */
const MOST_BIT_S = 100_000_000;
/** With so much more lost than before it was raised, the floor goes back. */
const WORSE = 0.05;
/** The time until it is raised again then. */
const WORSE_MS = 20_000;
/** What a packet carries. */
const PACKET_BITS = 8 * 1_150;
/** The estimate must have fallen below this share of the best one. */
const FALLEN = 0.7;
/** The time between two changes: a browser sets its encoder up anew for each. */
const APART_MS = 2_000;
/** A lower floor makes no difference. */
const LEAST_BIT_S = 1_500_000;

interface Look {
  readonly at_ms: number;
  readonly sent: number;
  readonly lost: number;
}

export class RateFloor {
  /** The browser's estimate may not be lower than this; 0 leaves it alone. */
  bit_s = 0;
  #looks: Look[] = [];
  #leastRtt_ms = Infinity;
  #queuedSince_ms: number | null = null;
  #best_bit_s = 0;
  #bestAt_ms = 0;
  #changed_ms = -Infinity;
  /** The share that was lost when the floor was set, and when it may be raised again. */
  #lostBefore = 0;
  #raise_ms = 0;

  /** Take what the browser says, and how many packets were sent since the beginning, without its own padding.
   * Return whether the floor has another height now. */
  look(path: Path, sent: number, now_ms: number): boolean {
    this.#looks.push({ at_ms: now_ms, sent, lost: path.lost });
    while ((this.#looks[1]?.at_ms ?? Infinity) <= now_ms - LOSS_MS) this.#looks.shift();
    if (path.available_bit_s > this.#best_bit_s || now_ms - this.#bestAt_ms > BEST_MS) {
      this.#best_bit_s = path.available_bit_s;
      this.#bestAt_ms = now_ms;
    }
    const isQueued = this.#isQueued(path.rtt_ms, now_ms);
    const lost = this.#lossShare(sent, path.lost);
    const isApart = now_ms - this.#changed_ms >= APART_MS;
    if (this.bit_s > 0 && isApart && (isQueued || lost > LOST_MOST)) return this.#set(this.bit_s / 2, now_ms);
    if (this.bit_s > 0 && isApart && lost > this.#lostBefore + WORSE && now_ms > this.#raise_ms) {
      this.#raise_ms = now_ms + WORSE_MS;
      return this.#set(this.bit_s / GAIN, now_ms);
    }
    const isFallen = path.available_bit_s < FALLEN * this.#best_bit_s;
    const floor = SHARE * this.#best_bit_s;
    if (!isQueued && isApart && isFallen && lost >= LOSSY && lost <= LOST_MOST && floor > this.bit_s) {
      this.#lostBefore = lost;
      return this.#set(floor, now_ms);
    }
    const isUsed = this.bit_s > 0 && this.#sent_bit_s(sent, now_ms) > USED * this.bit_s;
    if (!isUsed || isQueued || !isApart || now_ms < this.#raise_ms || this.bit_s >= MOST_BIT_S) return false;
    this.#lostBefore = lost;
    return this.#set(Math.min(MOST_BIT_S, GAIN * this.bit_s), now_ms);
  }

  #sent_bit_s(sent: number, now_ms: number): number {
    const [first] = this.#looks;
    const passed_ms = first ? now_ms - first.at_ms : 0;
    return first && passed_ms > 0 ? ((sent - first.sent) * PACKET_BITS * 1_000) / passed_ms : 0;
  }

  /** What was a good estimate is none any more when its floor had to be lowered. */
  #set(bit_s: number, now_ms: number): boolean {
    if (bit_s < this.bit_s) this.#best_bit_s = bit_s / SHARE;
    this.bit_s = bit_s < LEAST_BIT_S ? 0 : Math.round(bit_s);
    this.#changed_ms = now_ms;
    return true;
  }

  #isQueued(rtt_ms: number | null, now_ms: number): boolean {
    if (rtt_ms === null) return false;
    this.#leastRtt_ms = Math.min(this.#leastRtt_ms, rtt_ms);
    const queue_ms = rtt_ms - this.#leastRtt_ms;
    if (queue_ms <= Math.max(QUEUE_MS, QUEUE_SHARE * this.#leastRtt_ms)) this.#queuedSince_ms = null;
    else this.#queuedSince_ms ??= now_ms;
    return this.#queuedSince_ms !== null && now_ms - this.#queuedSince_ms >= QUEUE_SEEN_MS;
  }

  /** The share of packets lost of late; 0 where too few were sent to tell. */
  #lossShare(sent: number, lost: number): number {
    const [first] = this.#looks;
    const count = first ? sent - first.sent : 0;
    return first && count >= LOSS_PACKETS ? Math.max(0, lost - first.lost) / count : 0;
  }
}
