/** Whether the client of a link is there, as far as this browser can tell.
 *
 * A client that was killed or lost its network says nothing, and one that left before its answer came, or cannot use
 * that, never comes. Both would keep a place for many seconds that somebody else could have.
 */

/** A silent client may come back in this time; and whoever has not come so long after the answer may never do. */
const SILENT_MS = 5_000;

export interface PresenceEvents {
  /** `isHere` has changed. */
  changed(): void;
  /** The client did not come back. */
  gone(): void;
}

export class Presence {
  readonly #events: PresenceEvents;
  #isHere = true;
  #hasCome = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(events: PresenceEvents) {
    this.#events = events;
  }

  /** Whether the client takes a place. It does from the beginning. */
  get isHere(): boolean {
    return this.#isHere;
  }

  /** The client was answered, and should come. Until it has come, the link says how long it is waited for. */
  expect(): void {
    this.#timer = setTimeout(() => this.#set(false), SILENT_MS);
  }

  /** The link is open. */
  come(): void {
    if (this.#hasCome) return;
    this.#hasCome = true;
    this.#set(true);
  }

  /** The browser hears nothing from the client any more, or hears it again. */
  silent(isSilent: boolean): void {
    if (!this.#hasCome || isSilent !== this.#isHere) return;
    this.#set(!isSilent);
    if (isSilent) this.#timer = setTimeout(() => this.#events.gone(), SILENT_MS);
  }

  /** The link has ended. */
  end(): void {
    clearTimeout(this.#timer);
  }

  #set(isHere: boolean): void {
    clearTimeout(this.#timer);
    if (isHere === this.#isHere) return;
    this.#isHere = isHere;
    this.#events.changed();
  }
}
