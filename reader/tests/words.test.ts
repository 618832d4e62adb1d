import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import article from '../src/article/sentences.json';
import { choose, fill, LANGUAGES } from '../src/face/words';
import instead from '../src/instead/sentences.json';
import later from '../src/later/sentences.json';
import { TROUBLES } from '../src/trouble';

const folder = new URL('../src/words/', import.meta.url);
type Texts = Record<string, string | Record<string, string>>;
const read = (language: string) => JSON.parse(readFileSync(new URL(`${language}.json`, folder), 'utf8')) as Texts;
const english = read('en');
const holes = (text: unknown) => [...String(text).matchAll(/\{\w+\}/g)].map(String).sort();

test('each language has its file', () => {
  expect(readdirSync(folder).sort()).toEqual(Object.keys(LANGUAGES).map((name) => `${name}.json`).sort());
});

test.each(['leads', 'replaced'])('each language has its sentence of %s', (name) => {
  const sentences = JSON.parse(readFileSync(new URL(`../src/survive/${name}.json`, import.meta.url), 'utf8')) as Texts;
  expect(Object.keys(sentences).sort()).toEqual(Object.keys(LANGUAGES).sort());
  for (const sentence of Object.values(sentences)) expect(holes(sentence)).toContain('{site}');
});

test('each trouble has its sentence', () => {
  expect(Object.keys(english['reasons']!).sort()).toEqual([...TROUBLES].sort());
});

test.each([['article', article], ['instead', instead], ['later', later]])('each sentence of the %s part is in each language', (_part, sentences) => {
  expect(Object.keys(sentences).sort()).toEqual(Object.keys(LANGUAGES).sort());
  for (const texts of Object.values(sentences)) {
    expect(Object.keys(texts)).toEqual(Object.keys(sentences.en));
    for (const [name, text] of Object.entries(sentences.en)) {
      expect(holes((texts as Record<string, string>)[name])).toEqual(holes(text));
    }
  }
});

describe.each(Object.keys(LANGUAGES))('%s', (language) => {
  const texts = read(language);
  test('has every text, with the same places to fill', () => {
    expect(Object.keys(texts)).toEqual(Object.keys(english));
    expect(Object.keys(texts['reasons']!)).toEqual(Object.keys(english['reasons']!));
    const pairs = [
      ...Object.entries(english).filter(([name]) => name !== 'reasons').map(([name, text]) => [text, texts[name]]),
      ...Object.entries(english['reasons']!).map(([name, text]) => [text, (texts['reasons'] as Record<string, string>)[name]]),
    ];
    for (const [text, other] of pairs) expect(new Set(holes(other))).toEqual(new Set(holes(text)));
  });
  test('is called as in the choice of languages', () => {
    expect(texts['name']).toBe(LANGUAGES[language]);
    expect(['ltr', 'rtl']).toContain(texts['dir']);
  });
});

test.each([
  [['fr-CA', 'en'], 'fr'],
  [['zh-TW'], 'zh-Hant'],
  [['zh-CN'], 'zh-Hans'],
  [['zh'], 'zh-Hans'],
  [['xx', 'ug-CN'], 'ug'],
  [[], 'en'],
  [['constructor'], 'en'],
])('%j is read in %s', (preferred, language) => {
  expect(choose(preferred)).toBe(language);
});

test('a text is filled, and what is unknown stays', () => {
  expect(fill('{a} and {b}', { a: '<1>' })).toBe('<1> and {b}');
});
