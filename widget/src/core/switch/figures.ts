/** What was given: people helped, bytes carried, seconds shared. Pure; measured values only.
 *
 * "Today" is a day of the visitor's own clock, as `YYYY-MM-DD`. Kept as JSON by the page; what is
 * read back may have been changed by anybody on this site: what is no count is nothing.
 */

export interface Counts {
  /** People helped. */
  readonly people: number;
  /** Bytes carried, both ways together. */
  readonly bytes: number;
  /** Time in which somebody could be helped. */
  readonly seconds: number;
}

export interface StoredFigures {
  readonly day: string;
  readonly today: Counts;
  readonly ever: Counts;
}

export const NOTHING: Counts = Object.freeze({ people: 0, bytes: 0, seconds: 0 });

export function plus(one: Counts, more: Counts): Counts {
  return Object.freeze({
    people: one.people + more.people,
    bytes: one.bytes + more.bytes,
    seconds: one.seconds + more.seconds,
  });
}

/** Return `tally` as it is on `day`, with `more` added to it. */
export function add(tally: StoredFigures, more: Counts, day: string): StoredFigures {
  const today = tally.day === day ? tally.today : NOTHING;
  return Object.freeze({ day, today: plus(today, more), ever: plus(tally.ever, more) });
}

/** Read what `JSON.stringify` made of a tally; nothing for what else is there. */
export function read(text: string | null, day: string): StoredFigures {
  let kept: Partial<Record<string, unknown>> = {};
  try {
    kept = JSON.parse(text ?? '{}') ?? {};
  } catch {
    // Not JSON.
  }
  const isToday = kept['day'] === day;
  return Object.freeze({ day, today: counts(isToday && kept['today']), ever: counts(kept['ever']) });
}

function counts(value: unknown): Counts {
  const given = Object(value) as Partial<Record<string, unknown>>;
  const one = (name: string) => {
    const number = given[name];
    return typeof number === 'number' && number >= 0 && Number.isFinite(number) ? number : 0;
  };
  return Object.freeze({ people: one('people'), bytes: one('bytes'), seconds: one('seconds') });
}
