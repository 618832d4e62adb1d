import { expect, test } from 'vitest';
import { REASONS } from '../../../src/core/errors';
import { PAUSES } from '../../../src/core/switch/settings';
import { INITIAL } from '../../../src/core/switch/store';
import { ago, countryName, fill, size, status, time } from '../../../src/element/view/text';
import en from '../../../src/words/en.json';

test('every reason, pause and phase has its sentence', () => {
  const said = (part: object) => status({ code: 'en', words: en }, { ...INITIAL.snapshot, ...part });
  for (const reason of REASONS) expect(said({ phase: 'problem', reason })).toMatch(/^[A-Z].+\.$/);
  for (const paused of PAUSES) expect(said({ phase: 'paused', paused })).toMatch(/^Paused.+\.$/);
  expect(said({ phase: 'helping', people: 1 })).toBe('Helping 1 person now.');
  expect(said({ phase: 'helping', people: 3 })).toBe('Helping 3 people now.');
  for (const phase of ['off', 'consent', 'connecting', 'caution', 'waiting', 'stopping']) {
    expect(said({ phase })).toMatch(/[.…]$/);
  }
});

test('figures are in units a person knows', () => {
  expect(size('en', 0)).toBe('0 byte');
  expect(size('en', 1_234_567)).toBe('1.23 MB');
  expect(size('de', 1_234_567)).toBe('1,23 MB');
  expect(time('en', 59)).toBe('0 min');
  expect(time('en', 3_599)).toBe('59 min');
  expect(time('en', 5_400)).toBe('1.5 hr');
});

test('a value that looks like a name is not filled again', () => {
  expect(fill('a {country}, {other}', { country: '{other}<b>' })).toBe('a {other}<b>, {other}');
});

test('countries have names; what is none stays what it is', () => {
  expect(countryName('fr', 'DE')).toBe('Allemagne');
  expect(countryName('en', 'ZZZZ')).toBe('ZZZZ');
  expect(countryName('en', null)).toBe(null);
});

test('how long ago something was is told in minutes, hours or days', () => {
  expect([0, 119, 7_300, 400_000].map((seconds) => ago('en', seconds))).toEqual([
    '0 minutes ago',
    '1 minute ago',
    '2 hours ago',
    '4 days ago',
  ]);
});
