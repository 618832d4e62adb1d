/** Who is being helped: one link, with its lanes beside it and after it. */

import { Bucket } from '../core/traffic/bucket';
import { LANE_BURST } from '../core/limits';

export class Person {
  /** Id of the exit that all their links go to. */
  readonly exit: string;
  /** Where they seem to be, by the broker; null for unknown. */
  readonly country: string | null;
  /** Where they were when the broker introduced them; of lanes, other addresses are not used. */
  readonly addresses: ReadonlySet<string>;
  /** Links now, opening and closing ones included. */
  links = 0;
  /** Links open on both sides now. */
  open = 0;
  /** Whether a link was ever open. */
  wasHelped = false;
  // Each lane makes a PeerConnection on the page's main thread, whether it opens or not.
  readonly #asking = new Bucket(1, LANE_BURST, performance.now());

  constructor(exit: string, country: string | null, addresses: Iterable<string>) {
    this.exit = exit;
    this.country = country;
    this.addresses = new Set(addresses);
  }

  /** Tell whether they may ask for one more lane so soon; then it is counted. */
  ask(): boolean {
    return this.#asking.take(1, performance.now());
  }
}
