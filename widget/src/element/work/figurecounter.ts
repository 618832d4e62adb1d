/** Counts what was given, from the relays' reports, and stores the figures on this site.
 *
 * Figures are the site's: all switches of a page count into one `SiteFigures`, and its tabs add to what is
 * stored. So none of them overwrites what another one counted.
 */

import { add, NOTHING, plus, read, type Counts, type Figures } from '../../core/switch/figures';
import type { RelayReport } from '../../core/switch/report';
import type { SiteStorage } from '../site/storage';

/** A longer time between two calls is not counted, because the machine slept and helped nobody. */
const LONGEST_S = 90;
/** The time between two writes to the storage. */
const WRITE_MS = 5_000;

/** The figures of the site, with what this page counted and has not stored yet. */
class SiteFigures {
  readonly #storage: SiteStorage;
  /** Those whose relay runs. */
  readonly #counters = new Set<FigureCounter>();
  #totals: Counts = NOTHING;
  #unwritten: Counts = NOTHING;
  #counted_ms = performance.now();
  #written_ms = 0;

  constructor(storage: SiteStorage) {
    this.#storage = storage;
  }

  get figures(): Figures {
    const day = this.#storage.today();
    const { today, ever } = add(read(this.#storage.get('figures'), day), this.#unwritten, day);
    return Object.freeze({ totals: this.#totals, today, ever });
  }

  /** The relay of `counter` runs from now on. */
  join(counter: FigureCounter): void {
    this.#counters.add(counter);
  }

  /** The relay of `counter` is over. */
  leave(counter: FigureCounter): void {
    this.tick();
    this.#counters.delete(counter);
    this.write();
  }

  /** Count what the relay of `by` did, and tell all the others. */
  count(people: number, bytes: number, by: FigureCounter): void {
    this.#add({ people, bytes, seconds: 0 });
    if (bytes > 0) for (const counter of this.#counters) if (counter !== by) counter.changed();
  }

  /** Count the time that went by. It counts once, however many switches could help somebody. */
  tick(): void {
    const now_ms = performance.now();
    const seconds = (now_ms - this.#counted_ms) / 1000;
    this.#counted_ms = now_ms;
    const isReady = [...this.#counters].some((counter) => counter.isReady);
    if (isReady && seconds <= LONGEST_S) this.#add({ people: 0, bytes: 0, seconds });
    if (now_ms - this.#written_ms > WRITE_MS) this.write();
  }

  /** Store what is not stored yet. */
  write(): void {
    this.#written_ms = performance.now();
    if (this.#unwritten === NOTHING) return;
    const day = this.#storage.today();
    const sum = add(read(this.#storage.get('figures'), day), this.#unwritten, day);
    this.#unwritten = NOTHING;
    this.#storage.set('figures', JSON.stringify(sum));
  }

  forget(): void {
    this.#totals = this.#unwritten = NOTHING;
  }

  #add(more: Counts): void {
    this.#totals = plus(this.#totals, more);
    this.#unwritten = plus(this.#unwritten, more);
  }
}

/** The figures of this page's site. */
let site: SiteFigures | undefined;

/** Counts for the relay of one switch. */
export class FigureCounter {
  readonly #site: SiteFigures;
  /** The last report of this run of the relay. */
  #report: Pick<RelayReport, 'helped' | 'bytes'> = { helped: 0, bytes: 0 };
  /** Whether the relay can help somebody. */
  isReady = false;

  /** `changed` is called when another switch of the page carried something. */
  constructor(
    storage: SiteStorage,
    readonly changed: () => void,
  ) {
    this.#site = site ??= new SiteFigures(storage);
  }

  /** The figures of the site. */
  get figures(): Figures {
    return this.#site.figures;
  }

  /** Bytes carried in this run of the relay. */
  get bytes(): number {
    return this.#report.bytes;
  }

  /** A run of the relay begins. */
  begin(): void {
    this.#report = { helped: 0, bytes: 0 };
    this.isReady = false;
    this.#site.join(this);
  }

  /** Count what is new in `report`. */
  take(report: RelayReport): void {
    const people = report.helped - this.#report.helped;
    const bytes = report.bytes - this.#report.bytes;
    this.#report = report;
    this.#site.tick();
    this.isReady = report.broker === 'online' && !report.caution;
    this.#site.count(people, bytes, this);
  }

  /** Count the time that went by. */
  tick(): void {
    this.#site.tick();
  }

  /** The run of the relay is over. */
  end(): void {
    this.#site.leave(this);
  }

  /** Set all figures to 0. Only what happens from now on counts. */
  forget(): void {
    this.#site.forget();
  }
}
