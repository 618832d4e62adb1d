/** How much a gateway may send on a link whose volunteer's browser only sends the packets.
 *
 * That browser is told to hold its own estimate (docs/PROTOCOL.md §6.5), so this window decides. Frames of one packet say
 * when they left the volunteer, and their delay contains no repair: larger frames mostly lack a packet on a lossy path.
 * This browser's statistics say how many bytes came, and how many packets did not. What arrived and waits for something
 * before it is not on the path any more, and the window grows by it. `core/media/browserpath.py` is the same for the
 * client.
 */

import { MEDIA_WINDOW_MOST_BYTES } from '../limits';
import { PathDelay } from './delay';
import { RateControl } from './ratecontrol';

/** What a packet carries. A frame that is not longer comes as one. */
const PACKET_BYTES = 1_150;
/** How long a lost packet is taken to be missing: so many round trips, and this time. */
const REPAIR_RTTS = 2;
const REPAIR_MS = 100;
/** How long the shortest delay is believed. Clocks drift by less than a millisecond in it. */
const DELAY_AGE_MS = 20_000;
/** Steps in a millisecond of the clock that says when a frame was sent. */
const SENT_PER_MS = 10;

export class ReceiveWindow {
  /** The shortest round trip to the gateway. The owner sets it when it is known. */
  rtt_ms = 100;
  readonly #control: RateControl;
  readonly #delay = new PathDelay(DELAY_AGE_MS);
  /** The full number of the last `sent`. */
  #sent = 0;
  /** Fewest bytes that waited at the volunteer since the last report. */
  #backlog_bytes = Infinity;
  #received_bytes = 0;
  #lost = 0;
  /** Times of the last losses, with the bytes that are missing, and what these come to. */
  readonly #losses: [at_ms: number, bytes: number][] = [];
  #lost_bytes = 0;

  constructor(now_ms: number) {
    this.#control = new RateControl(now_ms);
  }

  /** Whether the path's rate is still being found, so that reports should come quickly. */
  get isStarting(): boolean {
    return this.#control.phase === 'startup';
  }

  /** Count `size` bytes that came beside the video. */
  arrived(size: number): void {
    this.#control.arrived(size);
  }

  /** Take what a frame of `size` bytes says: when it left by the volunteer's clock, and what waited behind it. */
  told(size: number, sent: number, backlog_bytes: number, arrived_ms: number): void {
    if (size <= PACKET_BYTES) {
      this.#sent += (sent - this.#sent) | 0;
      this.#delay.add(size, this.#sent / SENT_PER_MS, arrived_ms);
      // One packet leaves a backlog however short the queue is.
    } else this.#backlog_bytes = Math.min(this.#backlog_bytes, backlog_bytes);
  }

  /** Take how much of the video came, repeats left out, and how many packets did not come since the beginning. */
  report(received_bytes: number, lost: number, now_ms: number): void {
    this.#control.arrived(Math.max(0, received_bytes - this.#received_bytes));
    this.#received_bytes = received_bytes;
    const missing_bytes = PACKET_BYTES * Math.max(0, lost - this.#lost);
    // A packet that was overtaken counts as lost until it comes, and the count falls again then.
    this.#lost = Math.max(this.#lost, lost);
    if (missing_bytes > 0) {
      this.#control.lost(missing_bytes);
      this.#losses.push([now_ms, missing_bytes]);
      this.#lost_bytes += missing_bytes;
    }
    const repaired_ms = now_ms - REPAIR_RTTS * this.rtt_ms - REPAIR_MS;
    while ((this.#losses[0]?.[0] ?? Infinity) < repaired_ms) this.#lost_bytes -= this.#losses.shift()![1];
    if (!this.#delay.update(now_ms)) return;
    const backlog_bytes = Number.isFinite(this.#backlog_bytes) ? this.#backlog_bytes : 0;
    this.#backlog_bytes = Infinity;
    const { queue_ms, jitter_ms } = this.#delay;
    this.#control.update(now_ms, { rtt_ms: this.rtt_ms + jitter_ms, queue_ms, jitter_ms, backlog_bytes });
  }

  /** Return the window. `held_bytes` came and wait for a message before them, and about `missing_bytes` were sent before
   * what came last and are not here. */
  window_bytes(held_bytes: number, missing_bytes: number): number {
    const unfinished = Math.max(0, missing_bytes - this.#lost_bytes);
    return Math.min(MEDIA_WINDOW_MOST_BYTES, Math.round(this.#control.window_bytes + held_bytes + unfinished));
  }
}
