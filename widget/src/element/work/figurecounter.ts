/** Counts what was given, from what the relay reports, and keeps it on this site. */

import { plus, add, NOTHING, read, type Counts, type StoredFigures } from '../../core/switch/figures';
import type { Figures } from '../../core/switch/store';
import type { RelayReport } from '../../core/switch/report';
import type { SiteStorage } from '../site/storage';

/** Longest time between two looks that is counted: a machine that sleeps helps nobody. */
const LONGEST_S = 90;
/** Between two writings. */
const WRITE_MS = 5_000;

export class FigureCounter {
  readonly #keep: SiteStorage;
  #totals: Counts = NOTHING;
  #tally: StoredFigures;
  /** What this run's reports have said so far. */
  #report: Pick<RelayReport, 'helped' | 'bytes'> = { helped: 0, bytes: 0 };
  /** When the last look was, while somebody can be helped. */
  #look_ms: number | null = null;
  #written_ms = 0;

  constructor(kept: SiteStorage) {
    this.#keep = kept;
    this.#tally = this.#read();
  }

  get figures(): Figures {
    return Object.freeze({ totals: this.#totals, today: this.#tally.today, ever: this.#tally.ever });
  }

  /** Bytes of this run. */
  get bytes(): number {
    return this.#report.bytes;
  }

  /** A run begins. */
  begin(): void {
    this.#report = { helped: 0, bytes: 0 };
    this.#look_ms = null;
    // Another tab may have led since.
    this.#tally = this.#read();
  }

  /** Take `report`. */
  take(report: RelayReport): void {
    const people = report.helped - this.#report.helped;
    const bytes = report.bytes - this.#report.bytes;
    this.#report = report;
    this.#add(people, bytes, report.broker === 'online' && !report.caution);
  }

  /** Time went by. */
  look(): void {
    this.#add(0, 0, this.#look_ms !== null);
  }

  /** The run is over. */
  end(): void {
    this.#add(0, 0, false);
    this.#write();
  }

  /** Forget all but what this page is doing now. */
  forget(): void {
    this.#tally = read(null, this.#keep.today());
    this.#totals = NOTHING;
  }

  #add(people: number, bytes: number, isReady: boolean): void {
    const now_ms = performance.now();
    const past_s = this.#look_ms === null ? 0 : (now_ms - this.#look_ms) / 1000;
    const more = { people, bytes, seconds: past_s > LONGEST_S ? 0 : past_s };
    this.#look_ms = isReady ? now_ms : null;
    this.#totals = plus(this.#totals, more);
    this.#tally = add(this.#tally, more, this.#keep.today());
    if (now_ms - this.#written_ms > WRITE_MS) this.#write();
  }

  #write(): void {
    this.#written_ms = performance.now();
    this.#keep.set('figures', JSON.stringify(this.#tally));
  }

  #read(): StoredFigures {
    return read(this.#keep.get('figures'), this.#keep.today());
  }
}
