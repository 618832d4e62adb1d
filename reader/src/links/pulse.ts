/** Whether anything still comes over a link, and how long its way is, by PINGs (docs/PROTOCOL.md §10).
 *
 * A volunteer that vanished, or that lets nothing through, says nothing of it: the browser notices after many seconds.
 * A link is *stalled* when a PING has no answer after its patience and nothing else came meanwhile. A slow link brings
 * something all the time; where one was called stalled wrongly, all links get more patience.
 */

/** Between two looks at a link that waits for answers; each sends a PING unless one is under way. */
export const LOOK_MS = 200;
/** A look that comes later than this after the last one says nothing. */
const LATE_MS = 3 * LOOK_MS;
/** Patience is some round trips, within these bounds. */
const ROUND_TRIPS = 3;
const LEAST_PATIENCE_MS = 500;
const MOST_PATIENCE_MS = 1_500;
/** Patience grows to so much of this. */
const MOST_FACTOR = 8;
/** A round trip that was not measured yet. */
const UNKNOWN_RTT_MS = 400;

/** How much more patience all links get, because one was called stalled that was only slow. */
export class Patience {
  factor = 1;

  grow(): void {
    this.factor = Math.min(MOST_FACTOR, 2 * this.factor);
  }
}

/** The pulse of one link. All times are milliseconds of one clock. */
export class Pulse {
  readonly #patience: Patience;
  #mark = 0;
  /** When the PING under way was sent; null if none is. */
  #sent_ms: number | null = null;
  #heard_ms: number;
  #rtt_ms: number | null = null;
  #isStalled = false;
  #looked_ms: number;

  constructor(patience: Patience, now_ms: number) {
    this.#patience = patience;
    this.#heard_ms = now_ms;
    this.#looked_ms = now_ms;
  }

  /** Whether the last look found nothing coming. */
  get isStalled(): boolean {
    return this.#isStalled;
  }

  /** The usual round trip to the gateway and back, the queues on the way included. */
  get rtt_ms(): number {
    return this.#rtt_ms ?? UNKNOWN_RTT_MS;
  }

  /** Return the mark of a PING that is to be sent now; null while one is under way. */
  ping(now_ms: number): number | null {
    if (this.#sent_ms !== null) return null;
    this.#sent_ms = now_ms;
    return (this.#mark = (this.#mark + 1) % 2 ** 32);
  }

  /** A PONG came. One that answers nothing is ignored. */
  pong(mark: number, now_ms: number): void {
    if (this.#sent_ms === null || mark !== this.#mark) return;
    const rtt_ms = now_ms - this.#sent_ms;
    this.#rtt_ms = this.#rtt_ms === null ? rtt_ms : this.#rtt_ms + (rtt_ms - this.#rtt_ms) / 4;
    this.#sent_ms = null;
  }

  /** Something came, whatever it was. */
  heard(now_ms: number): void {
    this.#heard_ms = now_ms;
    if (this.#isStalled) this.#patience.grow();
    this.#isStalled = false;
  }

  /** Look whether the link is stalled, and return for how long it has been silent with a PING under way. */
  look(now_ms: number): number {
    const isLate = now_ms - this.#looked_ms > LATE_MS;
    this.#looked_ms = now_ms;
    if (this.#sent_ms === null) return 0;
    // The page itself was busy or asleep, and what came meanwhile may be handed over after this look.
    if (isLate) this.#heard_ms = now_ms;
    const silent_ms = now_ms - Math.max(this.#sent_ms, this.#heard_ms);
    const patience_ms = Math.min(MOST_PATIENCE_MS, Math.max(LEAST_PATIENCE_MS, ROUND_TRIPS * this.rtt_ms));
    if (silent_ms >= patience_ms * this.#patience.factor) this.#isStalled = true;
    return silent_ms;
  }
}
