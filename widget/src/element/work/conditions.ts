/** What goes on around the page: battery, connection, the clock. Watched only while
 * the switch is on; what a browser does not tell is taken for no reason to pause. */

import type { Conditions } from '../../core/switch/settings';

interface Battery extends EventTarget {
  readonly charging: boolean;
}

interface Connection extends EventTarget {
  readonly saveData?: boolean;
  readonly type?: string;
  readonly metered?: boolean;
}

/** Where browsers have it; not in the DOM's types. */
type Navigated = Navigator & {
  readonly connection?: Connection;
  getBattery?(): Promise<Battery>;
};

/** Between two looks at the clock. */
const TICK_MS = 10_000;
/** A tick that is later than this woke up with the machine: hidden pages' are up to 60 s apart. */
const SLEPT_MS = 150_000;

export interface ConditionsEvents {
  /** Something is different, or time went by. */
  changed(): void;
  /** What connections were open may be gone. */
  moved(): void;
}

export class ConditionsWatcher {
  readonly #events: ConditionsEvents;
  #over: AbortController | null = null;
  #battery: Battery | null = null;
  #tick_ms = 0;

  constructor(events: ConditionsEvents) {
    this.#events = events;
  }

  /** Watch; kept once all that can be known is known. */
  async start(): Promise<void> {
    if (this.#over) return;
    this.#over = new AbortController();
    const { signal } = this.#over;
    const { connection, getBattery } = navigator as Navigated;
    const changed = () => this.#events.changed();
    const moved = () => {
      this.#events.changed();
      this.#events.moved();
    };
    connection?.addEventListener?.('change', moved, { signal });
    globalThis.addEventListener('online', moved, { signal });
    this.#tick_ms = Date.now();
    const timer = setInterval(() => this.#tick(), TICK_MS);
    signal.addEventListener('abort', () => clearInterval(timer));
    try {
      this.#battery = (await getBattery?.call(navigator)) ?? null;
      this.#battery?.addEventListener('chargingchange', changed, { signal });
    } catch {
      // Denied to some frames.
    }
  }

  stop(): void {
    this.#over?.abort();
    this.#over = null;
  }

  get now(): Omit<Conditions, 'bytes' | 'hidden'> {
    const { connection } = navigator as Navigated;
    const now = new Date();
    return {
      minute: now.getHours() * 60 + now.getMinutes(),
      battery: this.#battery?.charging === false,
      metered:
        connection?.saveData === true ||
        connection?.metered === true ||
        connection?.type === 'cellular' ||
        matchMedia('(prefers-reduced-data: reduce)').matches,
    };
  }

  #tick(): void {
    const before_ms = this.#tick_ms;
    this.#tick_ms = Date.now();
    if (this.#tick_ms - before_ms > SLEPT_MS) this.#events.moved();
    this.#events.changed();
  }
}
