/** Of what use this volunteer is: whom its network lets it help, when it last did, since when it waits, what came to
 * nothing, and what the broker says of readers who wait. */

import type { Reach, Use } from '../core/switch/report';
import type { Demand, NatClass } from '../core/wire/signalling';

/** Whom a device can help, by the class of its NAT. */
const REACH: Readonly<Record<NatClass, Reach | null>> = {
  open: 'everybody',
  restricted: 'some',
  symmetric: 'some',
  blocked: 'nobody',
  unknown: null,
};

/** What this record knows of it. The test of the device's rate knows the rest. */
type OwnUse = Omit<Use, 'rates' | 'untested'>;

export class UseRecord {
  #use: OwnUse = { reach: null, demand: null, failed: 0, helped_at_s: null, waits_since_s: null };

  /** What is known now. */
  get now(): OwnUse {
    return this.#use;
  }

  /** The class of this browser's NAT is known. */
  reaches(nat: NatClass): void {
    this.#use = { ...this.#use, reach: REACH[nat] };
  }

  /** The broker told how many readers wait; null when it tells nothing. Return whether that is news. */
  demands(demand: Demand | null): boolean {
    const isNews = demand !== this.#use.demand;
    if (isNews) this.#use = { ...this.#use, demand };
    return isNews;
  }

  /** A link came to nothing. */
  fails(): void {
    this.#use = { ...this.#use, failed: this.#use.failed + 1 };
  }

  /** Somebody came to be helped, or went. */
  helps(): void {
    this.#use = { ...this.#use, helped_at_s: now_s() };
  }

  /** Note whether this volunteer `isWaiting`: nobody is helped although somebody could be. */
  waits(isWaiting: boolean): void {
    const since_s = isWaiting ? (this.#use.waits_since_s ?? now_s()) : null;
    if (since_s !== this.#use.waits_since_s) this.#use = { ...this.#use, waits_since_s: since_s };
  }
}

const now_s = (): number => Math.floor(Date.now() / 1000);
