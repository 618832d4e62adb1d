/** Tells the page what the relay does, whenever that changes. Bytes alone are told once a second at most. */

import { UNUSED, type RelayReport } from '../core/switch/report';
import { UseRecord } from './use';

/** The time between two reports when only the number of bytes changes. */
const REPORT_MS = 1_000;

export class Reporter {
  readonly use = new UseRecord();
  readonly #post: (report: RelayReport) => void;
  readonly #complete: (report: RelayReport) => RelayReport;
  readonly #rest_ms: () => number | null;
  /** Whether a broker is connected. */
  #conversation: Pick<RelayReport, 'broker' | 'reason' | 'retry_s'> = {
    broker: 'connecting',
    reason: null,
    retry_s: null,
  };
  #report: RelayReport = {
    ...this.#conversation,
    people: 0,
    helped: 0,
    bytes: 0,
    crossing: [],
    country: null,
    caution: false,
    tested_bytes: 0,
    ...UNUSED,
  };
  /** Bytes carried so far. */
  #bytes = 0;
  /** Set while a report about bytes is due. */
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `post` sends a report. `complete` adds what the test of this device's rate says to one. `rest_ms` tells how long all
   * exits rest; null while one may be connected to. */
  constructor(
    post: (report: RelayReport) => void,
    complete: (report: RelayReport) => RelayReport,
    rest_ms: () => number | null,
  ) {
    this.#post = post;
    this.#complete = complete;
    this.#rest_ms = rest_ms;
  }

  /** The last report. */
  get last(): RelayReport {
    return this.#report;
  }

  /** The state of the conversation with a broker changed. */
  converse(...[broker, reason, retry_s]: [RelayReport['broker'], RelayReport['reason'], number | null]): void {
    this.#conversation = { broker, reason, retry_s };
    if (broker !== 'online') this.use.demands(null);
    this.tell();
  }

  /** Count bytes that were carried, and return how many there are. */
  carry(bytes: number): number {
    this.#bytes += bytes;
    return this.#bytes;
  }

  /** Have the number of bytes told soon. */
  tellLater(): void {
    this.#timer ??= setTimeout(() => this.tell(), REPORT_MS);
  }

  /** Change the report, and send it. */
  tell(part: Partial<RelayReport> = {}): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#report = this.#complete({ ...this.#report, ...part, ...this.#conversation, bytes: this.#bytes });
    const rest_ms = this.#rest_ms();
    if (this.#report.broker === 'online' && rest_ms !== null) {
      const trouble = { broker: 'retrying', reason: 'exit_unreachable', retry_s: rest_ms / 1000 } as const;
      this.#report = { ...this.#report, ...trouble };
    }
    const { broker, people, caution } = this.#report;
    this.use.waits(broker === 'online' && people === 0 && !caution);
    this.#report = { ...this.#report, ...this.use.now };
    this.#post(this.#report);
  }
}
