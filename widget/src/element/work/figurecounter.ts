/** Counts what was given, from the relay's reports, and stores the figures on this site. */

import { plus, add, NOTHING, read, type Counts, type Figures, type StoredFigures } from '../../core/switch/figures';
import type { RelayReport } from '../../core/switch/report';
import type { SiteStorage } from '../site/storage';

/** A longer time between two calls is not counted, because the machine slept and helped nobody. */
const LONGEST_S = 90;
/** The time between two writes to the storage. */
const WRITE_MS = 5_000;

export class FigureCounter {
  readonly #storage: SiteStorage;
  #totals: Counts = NOTHING;
  #stored: StoredFigures;
  /** The last report of this run of the relay. */
  #report: Pick<RelayReport, 'helped' | 'bytes'> = { helped: 0, bytes: 0 };
  /** The time that was counted last; null while nobody can be helped. */
  #counted_ms: number | null = null;
  #written_ms = 0;

  constructor(storage: SiteStorage) {
    this.#storage = storage;
    this.#stored = this.#read();
  }

  get figures(): Figures {
    return Object.freeze({ totals: this.#totals, today: this.#stored.today, ever: this.#stored.ever });
  }

  /** Bytes carried in this run of the relay. */
  get bytes(): number {
    return this.#report.bytes;
  }

  /** A run of the relay begins. */
  begin(): void {
    this.#report = { helped: 0, bytes: 0 };
    this.#counted_ms = null;
    // Another tab may have led since then, and stored more.
    this.#stored = this.#read();
  }

  /** Count what is new in `report`. */
  take(report: RelayReport): void {
    const people = report.helped - this.#report.helped;
    const bytes = report.bytes - this.#report.bytes;
    this.#report = report;
    this.#add(people, bytes, report.broker === 'online' && !report.caution);
  }

  /** Count the time that went by. */
  tick(): void {
    this.#add(0, 0, this.#counted_ms !== null);
  }

  /** The run of the relay is over. */
  end(): void {
    this.#add(0, 0, false);
    this.#write();
  }

  /** Set all figures to 0. Only what happens from now on counts. */
  forget(): void {
    this.#stored = read(null, this.#storage.today());
    this.#totals = NOTHING;
  }

  #add(people: number, bytes: number, isReady: boolean): void {
    const now_ms = performance.now();
    const past_s = this.#counted_ms === null ? 0 : (now_ms - this.#counted_ms) / 1000;
    const more = { people, bytes, seconds: past_s > LONGEST_S ? 0 : past_s };
    this.#counted_ms = isReady ? now_ms : null;
    this.#totals = plus(this.#totals, more);
    this.#stored = add(this.#stored, more, this.#storage.today());
    if (now_ms - this.#written_ms > WRITE_MS) this.#write();
  }

  #write(): void {
    this.#written_ms = performance.now();
    this.#storage.set('figures', JSON.stringify(this.#stored));
  }

  #read(): StoredFigures {
    return read(this.#storage.get('figures'), this.#storage.today());
  }
}
