/** The languages of the switch, and their words: one JSON file each, in `src/words/`. */

import en from '../../words/en.json';
import { fetchWords, languages } from '../files/files';

export type Words = typeof en;

export interface Language {
  /** BCP 47 code, as in the name of the words' file. */
  readonly code: string;
  readonly words: Words;
}

/** English. At first it has only the words that are read before the first press. */
export const ENGLISH: Language = { code: 'en', words: en };

/** Add the English words that come with `more/more.ts`. */
export function addEnglish(words: Words): void {
  Object.assign(ENGLISH.words, words);
}

/** Fetch the words of the language `code`. Return English when they cannot be fetched. */
export async function loadLanguage(code: string): Promise<Language> {
  if (code === 'en') return ENGLISH;
  try {
    return { code, words: (await fetchWords(code)) as Words };
  } catch {
    return ENGLISH;
  }
}

/** Return the code of the first language in `wanted` (BCP 47 tags) that has words; else `en`. */
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
