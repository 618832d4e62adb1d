/** One person who is being helped, with their first link and the lanes beside it. */

import { LANE_BURST } from '../core/limits';
import { Bucket } from '../core/traffic/bucket';

export class Person {
  /** Id of the exit that all their links go to. */
  readonly exit: string;
  /** Where the broker believes they are; null for unknown. */
  readonly country: string | null;
  /** Their IP addresses when the broker introduced them. Their lanes may not name other addresses. */
  readonly addresses: ReadonlySet<string>;
  /** Their links now, including those that are opening or closing. */
  links = 0;
  /** Their links that are open on both sides now. */
  open = 0;
  /** Whether a link of theirs was ever open. */
  wasHelped = false;
  // Each lane costs a PeerConnection on the page's main thread, even when it never opens.
  readonly #lanes = new Bucket(1, LANE_BURST, performance.now());

  constructor(exit: string, country: string | null, addresses: Iterable<string>) {
    this.exit = exit;
    this.country = country;
    this.addresses = new Set(addresses);
  }

  /** Return whether they may ask for one more lane so soon. If so, it is counted. */
  mayAskForLane(): boolean {
    return this.#lanes.take(1, performance.now());
  }
}
