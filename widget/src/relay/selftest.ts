/** The relay's word on whether this device is fast enough: tests it once before anybody is helped, and again later where
 * it was too slow or is in another network.
 */

import { NO_TEST, type RelayReport, type TestPlan, type Untested } from '../core/switch/report';
import { speedOf, type Rates } from '../core/switch/speed';
import type { Descriptor } from '../core/wire/descriptor';
import type { RateTicket } from '../core/wire/signalling';
import { RateTest } from './ratetest';

/** The time after which a device that is too slow tests again, at another exit maybe. */
const SLOW_MS = 600_000;

export interface SelfTestEvents {
  /** Something that `SelfTest` tells has changed. */
  changed(): void;
  /** A broker should be called anew, because its welcome brings a fresh ticket. */
  renew(): void;
  /** An exit does not let a WebSocket end. */
  stuck(): void;
}

export class SelfTest {
  readonly #events: SelfTestEvents;
  #plan = NO_TEST;
  #test: RateTest | null = null;
  /** Whether the next welcome begins a test. */
  #isDue = false;
  #isOver = false;
  #rates: Rates | null = null;
  #untested: Untested | null = null;
  /** Bytes that earlier tests moved. */
  #moved_bytes = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the next test is due after one that was too slow, by `performance.now()`; null otherwise. */
  #again_ms: number | null = null;

  constructor(events: SelfTestEvents) {
    this.#events = events;
  }

  /** Do as `plan` says from the next welcome on, and no more as an earlier one did. */
  begin(plan: TestPlan): void {
    clearTimeout(this.#timer);
    this.#again_ms = null;
    this.#plan = plan;
    this.#rates = plan.rates;
    this.#untested = plan.untested;
    this.#isDue = plan.bytes > 0;
  }

  /** Whether the next welcome begins a test. */
  get isDue(): boolean {
    return this.#isDue;
  }

  /** Whether nobody may be helped now: before a test, during it, and on a device that is too slow. */
  get holdsBack(): boolean {
    return this.#isPending || this.#again_ms !== null;
  }

  get #isPending(): boolean {
    return this.#isDue || this.#test !== null;
  }

  /** Return `report` with what is known of the rate, and whether it holds back. */
  tell(report: RelayReport): RelayReport {
    const tested_bytes = this.#moved_bytes + (this.#test?.moved_bytes ?? 0);
    const told = { ...report, rates: this.#rates, untested: this.#untested, tested_bytes };
    if (report.broker !== 'online' || report.caution) return told;
    if (this.#isPending) return { ...told, broker: 'connecting' };
    if (this.#again_ms === null) return told;
    const retry_s = Math.max(0, this.#again_ms - performance.now()) / 1000;
    return { ...told, broker: 'retrying', reason: 'too_slow', retry_s };
  }

  /** A broker brought a ticket for a test, or null where it knows none. Test, if that is due. */
  welcome(ticket: RateTicket | null, exits: Descriptor['exits'] = []): void {
    if (!this.#isDue || this.#isOver) return;
    this.#isDue = false;
    const exit = exits.find(({ id }) => id === ticket?.exit);
    if (!ticket || !exit) return;
    try {
      this.#test = new RateTest(exit.url, ticket.ticket, this.#plan.bytes, {
        over: (rates) => this.#over(rates),
        stuck: () => this.#events.stuck(),
      });
    } catch {
      this.#untested = 'silent';
    }
  }

  /** Test nothing any more. */
  stop(): void {
    this.#isOver = true;
    this.#isDue = false;
    clearTimeout(this.#timer);
    this.#test?.stop();
  }

  #over(rates: Rates | null): void {
    this.#moved_bytes += this.#test?.moved_bytes ?? 0;
    this.#test = null;
    this.#rates = rates;
    this.#untested = rates ? null : 'silent';
    if (rates && speedOf(rates) === 'slow') {
      this.#again_ms = performance.now() + SLOW_MS;
      this.#timer = setTimeout(() => this.#again(), SLOW_MS);
    }
    this.#events.changed();
  }

  #again(): void {
    this.#again_ms = null;
    this.#isDue = true;
    this.#events.renew();
  }
}
