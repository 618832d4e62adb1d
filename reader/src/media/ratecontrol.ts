/** How much one path may carry: the window of whoever sends over it.
 *
 * The model is BBR's (Cardwell et al., ACM Queue 2016): a path has a delivery rate, a maximum over rounds, and a bare
 * round trip, and the window is their product and a short queue. So a loss that comes without a queue changes nothing.
 * Once a cycle the window is raised for a round, and then lowered until this sender's own queue is gone. A queue that
 * stays then is somebody else's, and until it is empty again the window *competes*: it grows a little each round, and
 * shrinks by CUBIC's factor when packets are lost while the queue is near its longest. `core/media/ratecontrol.py` is
 * the same for the client, and has the reasons of its numbers.
 *
 * Rates are bytes per millisecond.
 */

import { GATEWAY_CREDIT_BYTES, MEDIA_WINDOW_LEAST_BYTES, MEDIA_WINDOW_MOST_BYTES } from '../limits';
import { LINK_MESSAGE_BYTES } from '../../../widget/src/core/limits';
import { keep } from './delay';

const QUEUE_ALLOWANCE_MS = 20;
/** The time for which bytes and credit are on no way: they wait for pictures, and for each other. */
const ENDS_MS = 35;
const STARTUP_GAIN = 2.5;
const LOOKS_MOST = 4_096;
const STARTUP_GROWTH = 1.25;
const STARTUP_ROUNDS = 3;
const FLOOD_LEAST_MS = 30;
const FLOOD_SHARE = 0.5;
const FLOOD_MS = 30;
const PROBE_GAIN = 1.25;
const DRAIN_GAIN = 0.85;
const CYCLE_ROUNDS = 8;
const CYCLE_LEAST_MS = 2_000;
const DRAIN_SHARE = 0.5;
const ROUND_LEAST_MS = 25;
const RATE_ROUNDS = 10;
const RATE_ROUNDS_QUEUED = 3;
const FILLED = 0.7;
const QUEUE_LEAST_MS = 10;
const QUEUE_SHARE = 0.1;
const DRAIN_ROUNDS = 4;
const DRAINING = 0.75;
const COMPETE_GROWTH_BYTES = 4_000;
const COMPETE_BACKOFF = 0.7;
const COMPETE_LOSS = 0.1;
const CONGESTED_SHARE = 0.75;
const CONGESTED_LOSS = 0.005;
const QUEUE_ROUNDS = 60;
const LOSS_MOST = 0.15;
const INITIAL_WINDOW_BYTES = 4 * LINK_MESSAGE_BYTES;

export type Phase = 'startup' | 'drain' | 'rest' | 'probe' | 'compete';

/** What the path showed at one moment. */
export interface Seen {
  /** The round trip without a queue; it contains `jitter_ms`. */
  readonly rtt_ms: number;
  readonly queue_ms: number;
  readonly jitter_ms: number;
  /** What waits in a queue that the times do not show. */
  readonly backlog_bytes: number;
}

class Round {
  arrived = 0;
  lost = 0;
  backlogLeast = Infinity;
  queueLeast_ms = Infinity;
  queueMost_ms = 0;
  queueSum_ms = 0;
  looks = 0;

  constructor(readonly began_ms: number) {}

  get lossShare(): number {
    return this.lost / (this.lost + this.arrived);
  }
}

/** Decides the window of one direction of one path. Call `arrived` and `lost` as it happens, and `update` often. */
export class RateControl {
  phase: Phase = 'startup';
  /** Bytes that may be under way: sent, and not known to have arrived. */
  window_bytes = INITIAL_WINDOW_BYTES;
  /** What the path delivers; 0 until measured. */
  rate = 0;
  /** The share of packets lost without a queue, smoothed. */
  loss = 0;
  /** Where the window goes. */
  #goal = INITIAL_WINDOW_BYTES;
  #rounds = 0;
  #updated_ms: number;
  #round: Round;
  readonly #rates: number[] = [];
  readonly #queues: number[] = [0];
  #best = 0;
  #stale = 0;
  #startupQueue_ms: number | null = null;
  #flooded_ms: number | null = null;
  /** During the start-up: times of the last round trip, each with the bytes that had arrived by then. */
  #recent: (readonly [at_ms: number, seen: number])[] = [];
  #seen = 0;
  /** Bytes that arrived since the last update. */
  #fresh = 0;
  #entered_ms: number;
  /** Rounds in this phase. */
  #cycle = 0;
  /** Bytes that were under way when draining began, and the queue then. */
  #held = 0;
  #drainQueue_ms = 0;
  #rtt_ms = 0;
  #jitter_ms = 0;
  #startupJitter_ms = 0;
  /** The first round in which the competing window may shrink again. */
  #nextCut = 0;

  constructor(now_ms: number) {
    this.#updated_ms = this.#entered_ms = now_ms;
    this.#round = new Round(now_ms);
  }

  /** Count bytes that reached the far end, in whatever order. */
  arrived(size: number): void {
    this.#round.arrived += size;
    this.#fresh += size;
  }

  /** Count bytes found missing. */
  lost(size: number): void {
    this.#round.lost += size;
  }

  update(now_ms: number, { rtt_ms, queue_ms, jitter_ms, backlog_bytes }: Seen): void {
    this.#rtt_ms = rtt_ms;
    this.#jitter_ms = jitter_ms;
    // The gateway sends so much of its own at first, and the volunteer's browser begins slowly.
    const own_bytes = this.phase === 'startup' ? Math.max(0, backlog_bytes - GATEWAY_CREDIT_BYTES) : backlog_bytes;
    const all_ms = queue_ms + (this.rate > 0 ? own_bytes / this.rate : 0);
    const current = this.#round;
    const fresh = this.#fresh;
    this.#fresh = 0;
    if (this.phase === 'startup') this.#foresee(fresh, now_ms);
    this.#step(fresh, now_ms);
    current.backlogLeast = Math.min(current.backlogLeast, backlog_bytes);
    current.queueLeast_ms = Math.min(current.queueLeast_ms, all_ms);
    current.queueMost_ms = Math.max(current.queueMost_ms, all_ms);
    current.queueSum_ms += all_ms;
    current.looks += 1;
    const length_ms = now_ms - current.began_ms;
    const isFlooded = this.phase === 'startup' && this.#floods(all_ms, now_ms);
    if (!isFlooded && length_ms < Math.max(ROUND_LEAST_MS, rtt_ms + current.queueLeast_ms)) return;
    // The start-up ends now. By the round's end the queue would have overflown.
    if (isFlooded) current.queueLeast_ms = all_ms;
    this.#round = new Round(now_ms);
    if (current.arrived === 0) return;
    this.#rounds += 1;
    this.#endRound(current, length_ms);
  }

  #endRound(ended: Round, length_ms: number): void {
    const rate = ended.arrived / length_ms;
    // By Little's law: rate times the time that a byte is under way.
    const underWay = rate * (this.#rtt_ms + ENDS_MS + ended.queueSum_ms / ended.looks);
    const isHeavy = ended.lossShare > LOSS_MOST;
    // A sender with a backlog sends all that it may.
    const isFilled =
      isHeavy || ended.backlogLeast > 0 || underWay >= FILLED * (this.window_bytes - LINK_MESSAGE_BYTES);
    const isEmpty = ended.queueLeast_ms <= this.#empty_ms;
    keep(this.#queues, ended.queueMost_ms, QUEUE_ROUNDS);
    if (isFilled || rate > this.rate) {
      keep(this.#rates, rate, RATE_ROUNDS);
      let known = RATE_ROUNDS;
      if (isHeavy || !isEmpty) known = ended.queueLeast_ms < this.#rtt_ms + 50 ? RATE_ROUNDS_QUEUED : 1;
      while (this.#rates.length > known) this.#rates.shift();
      this.rate = Math.max(...this.#rates);
    }
    if (!this.#isCongested(ended)) this.loss += (ended.lossShare - this.loss) / 8;
    this.#nextPhase(ended, underWay, isFilled, isEmpty);
    this.#setWindow();
  }

  /** The longest queue that counts as none. On a slow path the smallest window makes one. */
  get #empty_ms(): number {
    const own_ms = this.rate > 0 ? Math.max(0, MEDIA_WINDOW_LEAST_BYTES / this.rate - this.#rtt_ms) : 0;
    return own_ms + Math.max(QUEUE_LEAST_MS, QUEUE_SHARE * this.#rtt_ms);
  }

  /** Tell whether packets were lost because a queue was full. */
  #isCongested(ended: Round): boolean {
    return (
      ended.lossShare > this.loss + CONGESTED_LOSS &&
      ended.queueMost_ms > 2 * this.#empty_ms &&
      ended.queueMost_ms >= CONGESTED_SHARE * Math.max(...this.#queues)
    );
  }

  #nextPhase(ended: Round, underWay: number, isFilled: boolean, isEmpty: boolean): void {
    if (this.phase === 'startup') {
      if (this.#isStartupOver(ended, isFilled)) {
        this.#startupJitter_ms = this.#jitter_ms;
        this.#drain(ended, underWay);
      }
    } else if (this.phase === 'drain') {
      if (isEmpty) this.#enter('rest');
      else if (this.#cycle >= DRAIN_ROUNDS) this.#judgeQueue(ended);
    } else if (this.phase === 'probe') this.#drain(ended, underWay);
    else if (this.phase === 'compete') {
      if (isEmpty) this.#enter('rest');
      else if (isFilled) this.#compete(ended);
    } else if (this.#jitter_ms > this.#startupJitter_ms + QUEUE_ALLOWANCE_MS) {
      // Jitter that was not known yet looked like a flood and ended the start-up.
      this.#best = this.rate;
      this.#stale = 0;
      this.#startupQueue_ms = this.#flooded_ms = null;
      this.#enter('startup');
    } else {
      const isRested = this.#cycle >= CYCLE_ROUNDS - 2 && this.#updated_ms >= this.#entered_ms + CYCLE_LEAST_MS;
      if (isRested && isFilled) this.#enter('probe');
    }
    this.#cycle += 1;
  }

  #enter(phase: Phase): void {
    this.phase = phase;
    this.#cycle = 0;
    this.#entered_ms = this.#updated_ms;
  }

  #drain(ended: Round, underWay: number): void {
    this.#held = underWay;
    this.#drainQueue_ms = ended.queueLeast_ms;
    this.#enter('drain');
  }

  #judgeQueue(ended: Round): void {
    if (ended.queueLeast_ms < DRAINING * this.#drainQueue_ms) {
      this.#drainQueue_ms = ended.queueLeast_ms;
      this.#enter('drain');
    } else {
      this.#goal = this.#held;
      this.#enter('compete');
    }
  }

  /** Move the window towards its goal. If it grew at once, packets would leave in a burst. */
  #step(fresh: number, now_ms: number): void {
    let grown = this.rate * (now_ms - this.#updated_ms);
    this.#updated_ms = now_ms;
    // On a long path bytes arrive in bursts with pauses between. What just arrived has left room for more.
    if (this.phase === 'startup') grown = Math.max(grown, (STARTUP_GAIN - 1) * fresh);
    if (this.window_bytes < this.#goal) this.window_bytes = Math.min(this.#goal, this.window_bytes + grown);
    else this.window_bytes = Math.max(this.#goal, this.window_bytes - DRAIN_SHARE * fresh);
  }

  /** Raise the goal of a start-up by what arrived in the last round trip, at every update: a round shows what was sent
   * before the window had the size that it has at the round's end. */
  #foresee(fresh: number, now_ms: number): void {
    this.#seen += fresh;
    keep(this.#recent, [now_ms, this.#seen], LOOKS_MOST);
    const begin_ms = now_ms - Math.max(ROUND_LEAST_MS, this.#rtt_ms);
    while ((this.#recent[1]?.[0] ?? Infinity) <= begin_ms) this.#recent.shift();
    const [since_ms, before] = this.#recent[0]!;
    if (since_ms > begin_ms) return;
    const content = ((this.#seen - before) / (now_ms - since_ms)) * this.#rtt_ms;
    this.#goal = Math.max(this.#goal, bounded(STARTUP_GAIN * content));
  }

  /** Tell whether the start-up has filled the queue, and not just for a moment. */
  #floods(queue_ms: number, now_ms: number): boolean {
    if (queue_ms - (this.#startupQueue_ms ?? 0) <= this.#flood_ms) this.#flooded_ms = null;
    else this.#flooded_ms ??= now_ms;
    return this.#flooded_ms !== null && now_ms - this.#flooded_ms >= FLOOD_MS;
  }

  get #flood_ms(): number {
    return Math.max(FLOOD_LEAST_MS, FLOOD_SHARE * this.#rtt_ms);
  }

  #isStartupOver(ended: Round, isFilled: boolean): boolean {
    this.#startupQueue_ms ??= ended.queueLeast_ms;
    // A window that has doubled and brought only a queue is large enough.
    if (ended.queueLeast_ms - this.#startupQueue_ms > this.#flood_ms) return true;
    // What is taken for jitter may be the queue of a flood; its losses show.
    if (this.#jitter_ms > 0 && ended.lossShare > COMPETE_LOSS) return true;
    if (!isFilled) return false;
    if (this.rate > this.#best * STARTUP_GROWTH) {
      this.#best = this.rate;
      this.#stale = 0;
    } else this.#stale += 1;
    return this.#stale >= STARTUP_ROUNDS;
  }

  #compete(ended: Round): void {
    if (!this.#isCongested(ended)) this.#goal += COMPETE_GROWTH_BYTES;
    else if (this.#rounds >= this.#nextCut) {
      const share = Math.min(1, ended.lossShare / COMPETE_LOSS);
      this.#goal *= 1 - share * (1 - COMPETE_BACKOFF);
      // Bytes that were under way may still be lost. They belong to the same event, which is answered once.
      this.#nextCut = this.#rounds + 2;
    }
  }

  #setWindow(): void {
    if (this.rate === 0) return;
    const content = this.rate * this.#rtt_ms;
    const rest = content + this.rate * (ENDS_MS + QUEUE_ALLOWANCE_MS) + LINK_MESSAGE_BYTES;
    const windows: Record<Phase, number> = {
      startup: Math.max(INITIAL_WINDOW_BYTES, rest + (STARTUP_GAIN - 1) * content),
      drain: DRAIN_GAIN * content,
      rest,
      probe: rest + (PROBE_GAIN - 1) * content,
      // The share is kept whatever the queue is, but is at most what BBR would hold.
      compete: Math.min(this.#goal, 3 * content + LINK_MESSAGE_BYTES),
    };
    const more = this.phase === 'compete' ? 1 : 1 + Math.min(LOSS_MOST, this.loss);
    this.#goal = bounded(windows[this.phase] * more);
    if (this.phase !== 'drain' || this.#drainQueue_ms > this.#flood_ms) {
      this.window_bytes = Math.min(this.window_bytes, this.#goal);
    }
  }
}

const bounded = (window: number) => Math.min(Math.max(window, MEDIA_WINDOW_LEAST_BYTES), MEDIA_WINDOW_MOST_BYTES);
