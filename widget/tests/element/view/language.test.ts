import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import { LANGUAGE_NAMES } from '../../../src/more/languages';
import en from '../../../src/words/en.json';

vi.stubGlobal('__FILES__', Object.fromEntries(Object.keys(LANGUAGE_NAMES).map((code) => [`words-${code}`, ''])));
const { chooseLanguage } = await import('../../../src/element/view/language');

const FOLDER = new URL('../../../src/words/', import.meta.url);
const read = (code: string): Record<string, unknown> =>
  JSON.parse(readFileSync(new URL(`${code}.json`, FOLDER), 'utf8')) as Record<string, unknown>;

/** Every sentence by its path. */
function sentences(words: object, path = ''): Map<string, string> {
  return new Map(
    Object.entries(words).flatMap(([name, value]) =>
      typeof value === 'string'
        ? [[`${path}${name}`, value] as const]
        : [...sentences(value as object, `${path}${name}.`)],
    ),
  );
}

const places = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(([place]) => place).sort();

describe.each(Object.keys(LANGUAGE_NAMES))('the words in %s', (code) => {
  const english = sentences(en);
  const words = sentences(read(code));

  test('are all there, and no others', () => {
    expect([...words.keys()].sort()).toEqual([...english.keys()].sort());
  });

  test('have the same places to fill', () => {
    for (const [path, text] of words) {
      if (path === 'helping_one') continue;
      expect([path, places(text)]).toEqual([path, places(english.get(path) ?? '')]);
    }
  });

  test('are words of that language, not markup, and not left in English', () => {
    for (const [path, text] of words) {
      expect(text.trim(), path).toBe(text);
      expect(text, path).toMatch(/^[^<>&]+$/);
    }
    if (code === 'en') return;
    const same = [...words].filter(([path, text]) => text === english.get(path) && text.length > 12);
    expect(same).toEqual([]);
  });

  test('have their direction', () => {
    expect(words.get('dir')).toBe(['ar', 'fa', 'ug'].includes(code) ? 'rtl' : 'ltr');
    expect(words.get('name')).toBe(LANGUAGE_NAMES[code]);
  });
});

test('every file is a language that can be chosen', () => {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));
  expect(files.sort()).toEqual(Object.keys(LANGUAGE_NAMES).map((code) => `${code}.json`).sort());
});

test('the language is the first one there is', () => {
  expect(chooseLanguage([null, 'fr-CA', 'de'])).toBe('fr');
  expect(chooseLanguage(['nl', 'tr-TR'])).toBe('tr');
  expect(chooseLanguage(['zh-CN'])).toBe('zh-Hans');
  expect(chooseLanguage(['zh'])).toBe('zh-Hans');
  expect(chooseLanguage(['zh-TW'])).toBe('zh-Hant');
  expect(chooseLanguage(['zh-Hant-HK'])).toBe('zh-Hant');
  expect(chooseLanguage(['xx', '', '"><b>', undefined])).toBe('en');
});
