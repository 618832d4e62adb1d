/** Whether messages are so few that they may go over the DataChannel, and not in a video's frames.
 *
 * A quiet link is quicker over the DataChannel, which needs no encoder. But a browser's SCTP repairs a loss slowly,
 * holds back all that comes after it, and sends less after each. The acknowledgements of one fast upload are too much
 * for it on a path that loses packets. A video's frames are repaired in one round trip, and none waits for another.
 */

/** Messages a second that are few: more than somebody who types makes. */
const MESSAGES_PER_S = 20;
/** Messages at once that are few. */
const BURST = 8;
/** The time after many messages until few are seen again. Each change of the way makes messages wait for others. */
const MEMORY_S = 0.5;
const MOST = BURST + MEMORY_S * MESSAGES_PER_S;

/** Counts messages; a leaky bucket. */
export class Sparse {
  #level = 0;
  #at_ms: number;

  constructor(now_ms: number) {
    this.#at_ms = now_ms;
  }

  /** Count a message; return whether there were few of late, this one included. */
  add(now_ms: number): boolean {
    const leaked = ((now_ms - this.#at_ms) / 1_000) * MESSAGES_PER_S;
    this.#level = Math.min(MOST, Math.max(0, this.#level - leaked) + 1);
    this.#at_ms = now_ms;
    return this.#level <= BURST;
  }
}
