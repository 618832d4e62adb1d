/** Figures of what was given: people helped, bytes carried, seconds shared. All of them are measured.
 *
 * "Today" is a day of the visitor's own clock, as `YYYY-MM-DD`. The page stores the figures as JSON.
 * Anybody with access to the site's storage may have changed them, so a value that is not a count is
 * read as 0.
 */

export interface Counts {
  /** People helped. */
  readonly people: number;
  /** Bytes carried, both directions together. */
  readonly bytes: number;
  /** Seconds in which somebody could be helped. */
  readonly seconds: number;
}

/** The figures that the switch shows. */
export interface Figures {
  /** Counts since this page was loaded. */
  readonly totals: Counts;
  /** Counts of today, on this site. */
  readonly today: Counts;
  /** Counts of all days, on this site. */
  readonly ever: Counts;
}

/** The figures that the site's storage holds. */
export interface StoredFigures {
  /** The day that `today` is about. */
  readonly day: string;
  readonly today: Counts;
  readonly ever: Counts;
}

export const NOTHING: Counts = Object.freeze({ people: 0, bytes: 0, seconds: 0 });

/** Return the sum of two counts. */
export function plus(one: Counts, more: Counts): Counts {
  return Object.freeze({
    people: one.people + more.people,
    bytes: one.bytes + more.bytes,
    seconds: one.seconds + more.seconds,
  });
}

/** Return `stored` with `more` added. `today` starts again at 0 when `day` is a new day. */
export function add(stored: StoredFigures, more: Counts, day: string): StoredFigures {
  const today = stored.day === day ? stored.today : NOTHING;
  return Object.freeze({ day, today: plus(today, more), ever: plus(stored.ever, more) });
}

/** Read stored figures from their JSON text, for a page that is shown on `day`. */
export function read(text: string | null, day: string): StoredFigures {
  let stored: Partial<Record<string, unknown>> = {};
  try {
    stored = JSON.parse(text ?? '{}') ?? {};
  } catch {
    // Text that is not JSON counts as nothing stored.
  }
  const isToday = stored['day'] === day;
  return Object.freeze({ day, today: counts(isToday && stored['today']), ever: counts(stored['ever']) });
}

/** Read counts, which may be anything. What is not a count is 0. */
export function counts(value: unknown): Counts {
  const given = Object(value) as Partial<Record<string, unknown>>;
  const count = (name: string) => {
    const number = given[name];
    return typeof number === 'number' && number >= 0 && number <= Number.MAX_SAFE_INTEGER ? number : 0;
  };
  return Object.freeze({ people: count('people'), bytes: count('bytes'), seconds: count('seconds') });
}
