/** The page's words in the reader's language: one file for each. */

import type english from '../words/en.json';

export type Words = typeof english;

/** Languages with a file of their own, and their names in themselves. */
export const LANGUAGES: Readonly<Record<string, string>> = {
  ar: 'العربية', de: 'Deutsch', en: 'English', es: 'Español', fa: 'فارسی', fr: 'Français', my: 'မြန်မာ',
  ru: 'Русский', tr: 'Türkçe', ug: 'ئۇيغۇرچە', vi: 'Tiếng Việt', 'zh-Hans': '简体中文', 'zh-Hant': '繁體中文',
};

const TRADITIONAL = /^zh\b.*-(?:Hant|TW|HK|MO)\b/i;

/** Return the language among LANGUAGES that fits `preferred` best; English if none does. */
export function choose(preferred: readonly string[]): string {
  for (const tag of preferred) {
    if (/^zh\b/i.test(tag)) return TRADITIONAL.test(tag) ? 'zh-Hant' : 'zh-Hans';
    const base = tag.toLowerCase().split('-')[0]!;
    if (Object.hasOwn(LANGUAGES, base)) return base;
  }
  return 'en';
}

/** Return the words of `language`, which `load` fetches as JSON; English where that fails. */
export async function words(language: string, load: (language: string) => Promise<string>): Promise<Words> {
  const text = await load(language).catch(() => load('en'));
  return JSON.parse(text) as Words;
}

/** Return what `all` has in the language that this page speaks now; in English where it has nothing in that. */
export function spoken<T>(all: Readonly<Record<string, T>> & { readonly en: T }): T {
  return all[document.documentElement.lang] ?? all.en;
}

/** Return `text` with each `{name}` replaced by its value. */
export function fill(text: string, values: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}
