/** What a visitor reads, in their language: sentences from one JSON file each, numbers from Intl. */

import type { Snapshot } from '../../core/switch/store';
import en from '../../words/en.json';
import { languages, fetchWords as read } from '../site/files';

export type Words = typeof en;

export interface Language {
  readonly code: string;
  readonly words: Words;
}

/** At first only what is read before the switch is on; `complete` adds the rest. */
export const ENGLISH: Language = { code: 'en', words: en };

/** Add what `more/more.ts` holds. */
export function complete(english: Words): void {
  Object.assign(ENGLISH.words, english);
}

/** Read the words of `code`, which is one of `languages`; English where they cannot be had. */
export async function load(code: string): Promise<Language> {
  if (code === 'en') return ENGLISH;
  try {
    return { code, words: (await read(code)) as Words };
  } catch {
    return ENGLISH;
  }
}

/** Return the language there is that comes first in `wanted` (BCP 47), English for want of any. */
export function chooseLanguage(wanted: readonly (string | null | undefined)[]): string {
  const known = ['en', ...languages()];
  for (const tag of wanted) {
    const [language = '', ...rest] = tag?.toLowerCase().split(/[-_]/) ?? [];
    const traditional = rest.some((part) => ['hant', 'tw', 'hk', 'mo'].includes(part));
    const code = language === 'zh' ? `zh-${traditional ? 'Hant' : 'Hans'}` : language;
    if (known.includes(code)) return code;
  }
  return 'en';
}

/** Put values into a sentence's `{places}`. */
export function fill(sentence: string | undefined, values: Readonly<Record<string, string>>): string {
  return (sentence ?? '').replace(/\{(\w+)\}/g, (place, name: string) => values[name] ?? place);
}

/** What is going on, in one sentence. */
export function status({ words, code }: Language, { phase, people, reason, paused, elsewhere }: Snapshot): string | undefined {
  switch (phase) {
    // English words may be on their way: then there is nothing to say yet.
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

export const number = (code: string, value: number): string => new Intl.NumberFormat(code).format(value);

const SIZES = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;

/** Bytes, in powers of 1000. */
export function size(code: string, bytes: number): string {
  const step = Math.min(SIZES.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return unit(code, SIZES[step] ?? 'byte', bytes / 1000 ** step);
}

/** Time in its largest unit that gives at least one. */
export function time(code: string, seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return unit(code, 'minute', minutes, 2);
  return minutes < 6000 ? unit(code, 'hour', minutes / 60, 2) : unit(code, 'day', minutes / 1440, 2);
}

function unit(code: string, name: string, value: number, digits = 3): string {
  return new Intl.NumberFormat(code, {
    style: 'unit',
    unit: name,
    unitDisplay: 'short',
    maximumSignificantDigits: digits,
  }).format(value);
}
