/** The doors of a network, and which of them a request goes through. */

import { compared, type Carrier } from './carrier';
import { DoorLink } from './doorlink';

export class Doors {
  readonly #doors: DoorLink[];

  /** `urls` are the doors' base URLs. */
  constructor(urls: readonly string[], exit: string) {
    this.#doors = urls.map((url) => new DoorLink(url, exit));
  }

  /** Return the door that should answer soonest, if possible none of `not`. `askedBy` is the URL of who answered for a
   * broker last. */
  best(not: ReadonlySet<Carrier>, askedBy: string): DoorLink {
    const faults = (door: DoorLink) => [not.has(door), door.failures, !door.isProved, door.url !== askedBy].map(Number);
    return this.#doors.sort((a, b) => compared(faults(a), faults(b)))[0]!;
  }
}
