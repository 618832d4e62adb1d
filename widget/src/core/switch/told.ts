/** Reads the snapshot that another tab tells. Any page of the site may tell anything, so it is read like a
 * stranger's message, and is shown but never counts as the visitor's word.
 */

import { REASONS } from '../errors';
import { SLOTS } from '../limits';
import { DEMANDS } from '../wire/signalling';
import { counts } from './figures';
import { REACHES, UNTESTED } from './report';
import { PAUSES } from './settings';
import { readRates } from './speed';
import { PHASES, type Snapshot } from './store';

/** An ISO 3166-1 code. */
const COUNTRY = /^[A-Z]{2}$/;
/** The longest time until the next try. A broker may ask for a day. */
const LONGEST_RETRY_S = 100_000;

/** Return the snapshot that `given` is; null when it is none. */
export function readTold(given: unknown): Snapshot | null {
  const { phase, people, crossing, country, reason, paused, retry_s, totals, today, ever, ...use } = Object(
    given,
  ) as Record<string, unknown>;
  const count = (name: string) => (isCount(use[name], Number.MAX_SAFE_INTEGER) ? use[name] : null);
  const told = oneOf(phase, PHASES);
  if (!told || !isCount(people, SLOTS) || !Array.isArray(crossing) || crossing.length > SLOTS) return null;
  return Object.freeze({
    phase: told,
    people,
    crossing: Object.freeze(Array.from(crossing, place)),
    country: place(country),
    reason: oneOf(reason, REASONS),
    paused: oneOf(paused, PAUSES),
    retry_s: isCount(retry_s, LONGEST_RETRY_S) ? retry_s : null,
    elsewhere: true,
    reach: oneOf(use['reach'], REACHES),
    failed: count('failed') ?? 0,
    helped_at_s: count('helped_at_s'),
    waits_since_s: count('waits_since_s'),
    demand: oneOf(use['demand'], DEMANDS),
    rates: readRates(use['rates']),
    untested: oneOf(use['untested'], UNTESTED),
    totals: counts(totals),
    today: counts(today),
    ever: counts(ever),
  });
}

const oneOf = <T>(value: unknown, known: readonly T[]): T | null => known.find((one) => one === value) ?? null;

const isCount = (value: unknown, most: number): value is number =>
  typeof value === 'number' && value >= 0 && value <= most;

const place = (value: unknown): string | null =>
  typeof value === 'string' && COUNTRY.test(value) ? value : null;
