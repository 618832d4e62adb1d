/** Remembers on this site how fast this device was, and what tests of that moved today.
 *
 * A result counts for some hours and for one kind of network, as far as the browser tells the kind. One that was too
 * slow is not remembered, because it may have been a busy hour.
 */

import { NO_TEST, type RelayReport, type TestPlan } from '../../core/switch/report';
import { bytesEachWay, readRates, speedOf, type TestBounds } from '../../core/switch/speed';
import type { SiteStorage } from '../site/storage';
import { networkKind } from './conditions';

/** The time for which a result counts. */
const FRESH_S = 12 * 3600;
/** No test follows another sooner because the network has changed. */
const AGAIN_S = 3600;

interface StoredSpeed {
  /** The day that `bytes` is about. */
  readonly day: string;
  /** Bytes that tests moved on that day. */
  readonly bytes: number;
  /** When the rates were measured, in Unix seconds. */
  readonly at_s: number;
  /** The kind of network at that time. */
  readonly network: string;
  readonly rates: unknown;
}

export class SpeedMemory {
  readonly #storage: SiteStorage;
  /** Bytes that tests moved in this run of the relay. */
  #counted_bytes = 0;
  /** Whether the last report had rates. */
  #hadRates = false;
  /** When the last test was planned, or made on an earlier page, in Unix seconds. */
  #tested_s = 0;
  /** Whether an exit did not let go of a test, so that there is to be no other on this page. */
  #isGivenUp = false;

  constructor(storage: SiteStorage) {
    this.#storage = storage;
  }

  /** Bytes that tests moved today, on this site. */
  get bytes(): number {
    const { day, bytes } = this.#stored;
    return day === this.#storage.today() ? bytes : 0;
  }

  /** Return the test for a run of the relay that begins now. */
  plan(bounds: TestBounds): TestPlan {
    this.#counted_bytes = 0;
    this.#hadRates = true;
    const { at_s, network, rates: stored } = this.#stored;
    const age_s = Date.now() / 1000 - at_s;
    const rates = readRates(stored);
    this.#tested_s = at_s;
    if (rates && age_s >= 0 && age_s < FRESH_S && network === networkKind()) return { ...NO_TEST, rates };
    this.#hadRates = false;
    return this.#planAnew(bounds);
  }

  /** Return the test for a run of the relay that goes on in another network, as it seems; null soon after another. */
  again(bounds: TestBounds): TestPlan | null {
    const since_s = Date.now() / 1000 - this.#tested_s;
    return since_s >= 0 && since_s < AGAIN_S ? null : this.#planAnew(bounds);
  }

  #planAnew(bounds: TestBounds): TestPlan {
    if (this.#isGivenUp) return { ...NO_TEST, untested: 'silent' };
    this.#tested_s = Date.now() / 1000;
    const bytes = bytesEachWay(bounds);
    return { ...NO_TEST, bytes, untested: bytes > 0 ? null : 'limits' };
  }

  /** Count what a test moved, and remember what it found. Return whether there was anything to count. */
  take({ rates, tested_bytes }: RelayReport): boolean {
    const more = tested_bytes - this.#counted_bytes;
    const isNew = rates !== null && !this.#hadRates;
    this.#counted_bytes = tested_bytes;
    this.#hadRates = rates !== null;
    if (more <= 0 && !isNew) return false;
    const isWorth = isNew && speedOf(rates) !== 'slow';
    const found = isWorth ? { at_s: Math.floor(Date.now() / 1000), network: networkKind(), rates } : {};
    const day = this.#storage.today();
    this.#storage.set('speed', JSON.stringify({ ...this.#stored, day, bytes: this.bytes + more, ...found }));
    return true;
  }

  /** An exit did not let go of a WebSocket, so the relay begins anew, without another test. */
  giveUp(): void {
    this.#isGivenUp = true;
  }

  /** What is stored, which any script of the site may have changed. */
  get #stored(): StoredSpeed {
    let given: Partial<Record<string, unknown>> = {};
    try {
      given = Object(JSON.parse(this.#storage.get('speed') ?? '{}'));
    } catch {
      // Text that is not JSON counts as nothing stored.
    }
    const count = (name: string) => (Number.isSafeInteger(given[name]) ? Math.max(0, given[name] as number) : 0);
    const { day, network, rates } = given;
    return { day: String(day), bytes: count('bytes'), at_s: count('at_s'), network: String(network), rates };
  }
}
