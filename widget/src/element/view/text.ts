/** Turns what the switch knows into text: sentences with values in them, and numbers with units from Intl. */

import type { Snapshot } from '../../core/switch/store';
import type { Language } from './language';

/** Put `values` into the `{names}` of a sentence. */
export function fill(sentence: string | undefined, values: Readonly<Record<string, string>>): string {
  return (sentence ?? '').replace(/\{(\w+)\}/g, (place, name: string) => values[name] ?? place);
}

/** Return the sentence that says what is going on. It is undefined while its English words are on their way. */
export function status({ words, code }: Language, { phase, people, reason, paused, elsewhere }: Snapshot): string | undefined {
  switch (phase) {
    case 'helping':
      return people === 1 ? words.helping_one : fill(words.helping, { n: number(code, people) });
    case 'paused':
      return words.paused?.[paused ?? 'hours'];
    case 'caution':
      return elsewhere ? words.caution_elsewhere : words.caution;
    case 'retrying':
    case 'problem':
      return words.reasons[reason ?? 'internal'];
    default:
      return words[phase];
  }
}

/** Return the name of a country; null when the country is unknown. */
export function countryName(code: string, country: string | null): string | null {
  if (!country) return null;
  try {
    return new Intl.DisplayNames([code, 'en'], { type: 'region' }).of(country) ?? country;
  } catch {
    return country;
  }
}

/** Return a number in the language `code`. */
export const number = (code: string, value: number): string => new Intl.NumberFormat(code).format(value);

const SIZES = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;

/** Return an amount of data, in a unit that is a power of 1000 bytes. */
export function size(code: string, bytes: number): string {
  const step = Math.min(SIZES.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return unit(code, SIZES[step] ?? 'byte', bytes / 1000 ** step);
}

/** Return a rate in Mbit/s. */
export const rate = (code: string, mbit: number): string => unit(code, 'megabit-per-second', mbit, 1);

/** Return a span of time in minutes, hours or days. */
export function time(code: string, seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return unit(code, 'minute', minutes, 2);
  return minutes < 6000 ? unit(code, 'hour', minutes / 60, 2) : unit(code, 'day', minutes / 1440, 2);
}

/** Return how long ago something was, in minutes, hours or days. */
export function ago(code: string, seconds: number): string {
  const minutes = Math.max(0, Math.floor(seconds / 60));
  const [value, name] =
    minutes < 120 ? ([minutes, 'minute'] as const) : minutes < 2880 ? ([minutes / 60, 'hour'] as const) : ([minutes / 1440, 'day'] as const);
  return new Intl.RelativeTimeFormat(code).format(-Math.floor(value), name);
}

function unit(code: string, name: string, value: number, digits = 3): string {
  return new Intl.NumberFormat(code, {
    style: 'unit',
    unit: name,
    unitDisplay: 'short',
    maximumSignificantDigits: digits,
  }).format(value);
}
