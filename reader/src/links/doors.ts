/** The doors of a network, and which of them a request goes through.
 *
 * A door whose packets are dropped says nothing. So the same sealed request goes through the next door too when nothing
 * came for a moment, and the first answer wins. The gateway answers a sealed request once, whichever copy comes first.
 */

import { DOOR_STAGGER_MS, DOORS_AT_ONCE, KNOWN_DOOR_MS } from '../limits';
import { remember } from '../page/memory';
import type { Bytes } from '../wire/integers';
import { compared, type AnswerSink, type Carrier, type Failure, type OpenRequest } from './carrier';
import { DoorLink } from './doorlink';

export class Doors {
  readonly #doors: DoorLink[];
  readonly #worked: (host: string) => void;

  /** `urls` are the doors' base URLs. `worked` is called with the host of each door that brought something of the gateway's. */
  constructor(urls: readonly string[], exit: string, worked: (host: string) => void) {
    this.#doors = urls.map((url) => new DoorLink(url, exit));
    this.#worked = worked;
  }

  /** Return what carries one request through the doors that should answer soonest. `askedBy` is the URL of who answered for
   * a broker last. */
  carrier(askedBy: string): DoorRace {
    const faults = (door: DoorLink) => [door.failures, Number(!door.isProved), Number(door.url !== askedBy)];
    this.#doors.sort((a, b) => compared(faults(a), faults(b)));
    return new DoorRace(this.#doors.slice(0, DOORS_AT_ONCE), askedBy, this.#worked);
  }
}

/** One request through the first of a few doors, and then through the next too. */
export class DoorRace implements Carrier {
  readonly #doors: readonly DoorLink[];
  readonly #askedBy: string;
  readonly #worked: (host: string) => void;
  /** The doors through which the request went, in their order, with how it fares there. */
  readonly #begun = new Map<DoorLink, OpenRequest | null>();
  /** Those that said that they cannot carry it. */
  readonly #over = new Map<DoorLink, Failure>();
  #winner: DoorLink | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Of `doors` there is one at least. */
  constructor(doors: readonly DoorLink[], askedBy: string, worked: (host: string) => void) {
    this.#doors = doors;
    this.#askedBy = askedBy;
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
    for (const door of this.#winner ? [this.#winner] : this.#begun.keys()) door.failed();
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
          if (!this.#winner && body.length > 0) this.#win(door);
          if (this.#winner === door) sink.bytes(body, isLast);
          else if (isLast) lose(door, 'lost');
        },
        failed: (failure) => (this.#winner === door ? sink.failed(failure) : lose(door, failure)),
      });
      this.#begun.set(door, open);
    };
    const lose = (door: DoorLink, failure: Failure) => {
      if (this.#winner) return;
      this.#over.set(door, failure);
      // Another copy of the request is with the gateway, and its answer is on its way.
      if (failure === 'replayed' && this.#over.size < this.#begun.size) return clearTimeout(this.#timer);
      if (this.#begun.size < this.#doors.length) return begin();
      if (this.#over.size < this.#begun.size) return;
      const told = [...this.#over.values()];
      sink.failed(told.find((each) => each !== 'replayed') ?? 'replayed');
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
