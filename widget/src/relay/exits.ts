/** Which of the network's exits can be reached from this page, as far as the page's policy and offers show. */

import type { Descriptor } from '../core/wire/descriptor';

/** Failures in a row after which an exit rests. One may be the fault of a single offer. */
const FAILURES = 2;
/** An exit that was connected to before fails so often more before it rests: it may be restarting. */
const RESTART_FAILURES = 20;
/** How long an exit rests at first. Each further failure doubles it. */
const REST_MS = 30_000;
const LONGEST_REST_MS = 600_000;

interface Trouble {
  /** Failures in a row; after a connection they are counted from `-RESTART_FAILURES` on. */
  readonly failures: number;
  /** When it may be tried again, by `performance.now()`. */
  readonly rests_until_ms: number;
}

export class Exits {
  readonly #report: () => void;
  #known: Descriptor['exits'] = [];
  readonly #troubles = new Map<string, Trouble>();
  /** Hosts that the page's policy forbids. */
  readonly #forbidden = new Set<string>();
  /** Exits that broke the rules. */
  readonly #shunned = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `report` is called when an exit begins or ends to rest. */
  constructor(report: () => void) {
    this.#report = report;
  }

  /** Take the exits of a new descriptor. */
  know(exits: Descriptor['exits']): void {
    this.#known = exits;
  }

  /** The page's policy forbids `host`. */
  forbid(host: string): void {
    this.#forbidden.add(host);
  }

  /** The exit `id` broke the rules. It is not connected to again. */
  shun(id: string): void {
    this.#shunned.add(id);
    this.#changed();
  }

  /** Whether every exit broke the rules. */
  get areShunned(): boolean {
    return this.#known.length > 0 && this.#known.every(({ id }) => this.#shunned.has(id));
  }

  /** Whether the page's policy forbids every exit. */
  get areForbidden(): boolean {
    return this.#known.length > 0 && this.#known.every(({ url }) => this.#forbidden.has(hostOf(url)));
  }

  /** Return whether the exit `id` may be connected to now. */
  mayConnect(id: string): boolean {
    const exit = this.#known.find((known) => known.id === id);
    if (!exit || this.#shunned.has(id) || this.#forbidden.has(hostOf(exit.url))) return false;
    return performance.now() >= (this.#troubles.get(id)?.rests_until_ms ?? 0);
  }

  /** The time until one exit may be connected to again; null when one may be now, or when none is known. */
  get rest_ms(): number | null {
    if (this.#known.length === 0 || this.#known.some(({ id }) => this.mayConnect(id))) return null;
    const ends = this.#known.map(({ id }) => this.#troubles.get(id)?.rests_until_ms ?? Infinity);
    return Math.max(0, Math.min(...ends) - performance.now());
  }

  /** A connection to the exit `id` opened. */
  opened(id: string): void {
    const rested = this.#troubles.get(id)?.rests_until_ms;
    this.#troubles.set(id, { failures: -RESTART_FAILURES, rests_until_ms: 0 });
    if (rested) this.#changed();
  }

  /** A connection to the exit `id` did not open. */
  failed(id: string): void {
    const failures = (this.#troubles.get(id)?.failures ?? 0) + 1;
    const rest_ms = failures < FAILURES ? 0 : Math.min(LONGEST_REST_MS, REST_MS * 2 ** (failures - FAILURES));
    this.#troubles.set(id, { failures, rests_until_ms: performance.now() + rest_ms });
    if (rest_ms) this.#changed();
  }

  /** Tell nothing any more. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  #changed(): void {
    clearTimeout(this.#timer);
    const { rest_ms } = this;
    if (rest_ms !== null && rest_ms < Infinity) this.#timer = setTimeout(() => this.#changed(), rest_ms);
    this.#report();
  }
}

/** Return host and port of `url`; '' when it is no URL. */
export function hostOf(url: string): string {
  try {
    // The default ports of `ws` and `http`, and of `wss` and `https`, are the same.
    return new URL(url).host;
  } catch {
    return '';
  }
}
