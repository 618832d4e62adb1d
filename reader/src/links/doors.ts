/** The doors of a network, and which of them a request goes through.
 *
 * A door whose packets are dropped says nothing, and one that is slowed down says next to nothing. So the same sealed
 * request goes through the next door too when no chunk of an answer came for a moment, and the first whole chunk wins.
 * The gateway answers a sealed request once, whichever copy comes first. Where that one is held up on its way back, the
 * request is given up, and sealed anew it goes through another door.
 */

import { DOOR_STAGGER_MS, DOORS_AT_ONCE, KNOWN_DOOR_MS } from '../limits';
import { remember } from '../page/memory';
import type { Bytes } from '../wire/integers';
import { compared, type AnswerSink, type Carrier, type Failure, type OpenRequest } from './carrier';
import { DoorLink, type DoorRequest } from './doorlink';
import { Patience } from './pulse';

export class Doors {
  readonly #doors: DoorLink[];
  readonly #patience = new Patience();
  readonly #worked: (host: string) => void;

  /** `urls` are the doors' base URLs. `worked` is called with the host of each door that brought something of the gateway's. */
  constructor(urls: readonly string[], exit: string, worked: (host: string) => void) {
    this.#doors = urls.map((url) => new DoorLink(url, exit, this.#patience));
    this.#worked = worked;
  }

  /** Return what carries one request through the doors that should answer soonest. `askedBy` is the URL of who answered for
   * a broker last. */
  carrier(askedBy: string): DoorRace {
    const faults = (door: DoorLink) => [door.failures, Number(!door.isProved), Number(door.url !== askedBy)];
    this.#doors.sort((a, b) => compared(faults(a), faults(b)));
    return new DoorRace(this.#doors.slice(0, DOORS_AT_ONCE), askedBy, this.#patience, this.#worked);
  }
}

/** One request through the first of a few doors, and then through the next too. */
export class DoorRace implements Carrier {
  readonly #doors: readonly DoorLink[];
  readonly #askedBy: string;
  readonly #patience: Patience;
  readonly #worked: (host: string) => void;
  /** The doors through which the request went, in their order, with how it fares there. */
  readonly #begun = new Map<DoorLink, DoorRequest | null>();
  /** Those that said that they cannot carry it. */
  readonly #over = new Map<DoorLink, Failure>();
  #winner: DoorLink | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Of `doors` there is one at least. */
  constructor(doors: readonly DoorLink[], askedBy: string, patience: Patience, worked: (host: string) => void) {
    this.#doors = doors;
    this.#askedBy = askedBy;
    this.#patience = patience;
    this.#worked = worked;
  }

  /** The host that is asked first. */
  get host(): string {
    return this.#doors[0]!.host;
  }

  get isProved(): boolean {
    return this.#doors[0]!.isProved;
  }

  proved(): void {
    if (!this.#winner) return;
    if (!this.#winner.isProved) remember({ worked: this.#winner.url });
    this.#winner.proved();
    this.#worked(this.#winner.host);
  }

  failed(): void {
    const blamed = [...this.#begun.keys()].filter((door) => (this.#winner ? door === this.#winner : !this.#isHonest(door)));
    for (const door of blamed) door.failed();
  }

  /** There may be no other door, so those that were used are only tried last. */
  distrust(): void {
    this.failed();
  }

  request(message: Bytes, sink: AnswerSink): OpenRequest {
    let isSent = false;
    let isGivenUp = false;
    const begin = () => {
      clearTimeout(this.#timer);
      const door = this.#doors[this.#begun.size];
      if (!door || isGivenUp) return;
      this.#begun.set(door, null);
      const open = door.request(message, {
        sent: () => {
          if (!isSent) sink.sent();
          isSent = true;
          const isKnown = door.isProved || door.url === this.#askedBy;
          this.#timer = setTimeout(begin, isKnown ? KNOWN_DOOR_MS : DOOR_STAGGER_MS);
        },
        bytes: (body, isLast) => {
          if (!this.#winner) this.#win(door);
          if (this.#winner === door) sink.bytes(body, isLast);
        },
        failed: (failure) => (this.#winner === door ? sink.failed(failure) : lose(door, failure)),
      });
      this.#begun.set(door, open);
    };
    const lose = (door: DoorLink, failure: Failure) => {
      if (this.#winner) return;
      this.#over.set(door, failure);
      const isSpent = [...this.#over.keys()].some((each) => this.#isHonest(each));
      if (!isSpent && this.#begun.size < this.#doors.length) return begin();
      if (this.#over.size < this.#begun.size) {
        // Another copy of the request is with the gateway, and its answer is on its way.
        if (failure === 'replayed') {
          clearTimeout(this.#timer);
          this.#timer = setTimeout(leave, KNOWN_DOOR_MS * this.#patience.factor);
        }
        return;
      }
      clearTimeout(this.#timer);
      const told = [...this.#over.values()];
      sink.failed(told.find((each) => each !== 'replayed') ?? 'replayed');
    };
    /** The gateway says every 2.5 s that the site is silent. What brings not even that is held up; what has begun has its pace. */
    const leave = () => {
      const pending = [...this.#begun].filter(([door]) => !this.#over.has(door));
      if (pending.some(([, open]) => open?.hasBegun)) return;
      for (const [door] of pending) door.failed();
      this.#patience.grow();
      sink.failed('stalled');
    };
    begin();
    return {
      used: (count) => this.#winner && this.#begun.get(this.#winner)?.used(count),
      cancel: () => {
        isGivenUp = true;
        clearTimeout(this.#timer);
        for (const open of this.#begun.values()) open?.cancel();
      },
    };
  }

  /** Whether this door said that the gateway has the request already, and another one may have brought it there. */
  #isHonest(door: DoorLink): boolean {
    return this.#over.get(door) === 'replayed' && this.#begun.size > 1;
  }

  /** `winner` answers. Those that were asked before and did not are tried last from now on. */
  #win(winner: DoorLink): void {
    this.#winner = winner;
    clearTimeout(this.#timer);
    let isLater = false;
    for (const [door, open] of this.#begun) {
      if (door === winner) isLater = true;
      else {
        open?.cancel();
        if (!isLater && this.#over.get(door) !== 'replayed') door.failed();
      }
    }
  }
}
