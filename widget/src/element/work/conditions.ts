/** Watches what goes on around the page: battery, connection, and the clock. It does so only while the switch
 * is on. What a browser does not tell is no reason to pause. */

import type { Conditions } from '../../core/switch/settings';

interface Battery extends EventTarget {
  readonly charging: boolean;
}

interface NetworkInformation extends EventTarget {
  readonly saveData?: boolean;
  readonly type?: string;
  readonly metered?: boolean;
}

/** What some browsers have and the DOM's types lack. */
type ExtendedNavigator = Navigator & {
  readonly connection?: NetworkInformation;
  getBattery?(): Promise<Battery>;
};

/** The time between two looks at the clock. No timer runs more often while nobody is helped. */
const TICK_MS = 15_000;
/** A longer time between two looks means that the machine slept. In a hidden page, timers may run only
 * every 60 s. */
const SLEPT_MS = 150_000;

export interface ConditionsEvents {
  /** A condition may have changed, or time went by. */
  changed(): void;
  /** The machine slept or changed its network, so open connections may be gone. `isOther` says that it may be in another
   * network now. */
  moved(isOther: boolean): void;
}

export class ConditionsWatcher {
  readonly #events: ConditionsEvents;
  #over: AbortController | null = null;
  #battery: Battery | null = null;
  #tick_ms = 0;
  /** The kind of network at the last change. */
  #network = '';

  constructor(events: ConditionsEvents) {
    this.#events = events;
  }

  /** Begin to watch. The promise resolves once everything that can be known is known. */
  async start(): Promise<void> {
    if (this.#over) return;
    this.#over = new AbortController();
    const { signal } = this.#over;
    const { connection, getBattery } = navigator as ExtendedNavigator;
    const changed = () => this.#events.changed();
    const moved = (isOther: boolean) => {
      this.#events.changed();
      this.#events.moved(isOther);
    };
    this.#network = networkKind();
    // Chromium also tells each change of its guess at the connection's rate.
    const changedConnection = () => {
      const before = this.#network;
      this.#network = networkKind();
      moved(this.#network !== before);
    };
    connection?.addEventListener?.('change', changedConnection, { signal });
    globalThis.addEventListener('online', () => moved(true), { signal });
    this.#tick_ms = Date.now();
    const timer = setInterval(() => this.#tick(), TICK_MS);
    signal.addEventListener('abort', () => clearInterval(timer));
    try {
      this.#battery = (await getBattery?.call(navigator)) ?? null;
      this.#battery?.addEventListener('chargingchange', changed, { signal });
    } catch {
      // Some frames may not know about the battery.
    }
  }

  stop(): void {
    this.#over?.abort();
    this.#over = null;
  }

  /** The conditions now. */
  get now(): Omit<Conditions, 'bytes' | 'hidden'> {
    const { connection } = navigator as ExtendedNavigator;
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
    if (this.#tick_ms - before_ms > SLEPT_MS) this.#events.moved(false);
    this.#events.changed();
  }
}

/** Return the kind of network, such as `wifi`, in the browser's word; '' where it does not tell. */
export const networkKind = (): string => (navigator as ExtendedNavigator).connection?.type ?? '';
