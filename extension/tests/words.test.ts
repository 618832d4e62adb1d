/** The extension's words: every language has all of them, and what stores and buttons show is short enough. */

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

const OWN = new URL('../words/', import.meta.url);
const WIDGET = new URL('../../widget/src/words/', import.meta.url);
const names = (folder: URL) => readdirSync(folder).filter((name) => name.endsWith('.json')).sort();
const read = (name: string) => JSON.parse(readFileSync(new URL(name, OWN), 'utf8')) as Record<string, string>;

test('there are words for each language of the switch', () => {
  expect(names(OWN)).toEqual(names(WIDGET));
});

describe.each(names(OWN))('%s', (name) => {
  const words = read(name);

  test('says everything that English says', () => {
    expect(Object.keys(words)).toEqual(Object.keys(read('en.json')));
    expect(Object.values(words).filter((text) => !text.trim())).toEqual([]);
  });

  test('fits into what stores and browsers allow', () => {
    expect(words['store_name']?.length).toBeLessThanOrEqual(75);
    expect(words['store_summary']?.length).toBeLessThanOrEqual(132);
    expect(words['sign_helping']).toContain('$n$');
  });
});
