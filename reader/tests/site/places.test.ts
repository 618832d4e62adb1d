import { describe, expect, test } from 'vitest';
import { Places } from '../../src/site/places';

const places = new Places('https://mirror.example', ['https://news.example', 'https://fr.news.example:8443']);
const url = (text: string) => new URL(text, 'https://mirror.example');
const site = (text: string, page?: string) => places.siteAddress(url(text), page ? url(page) : null)?.href;

describe('an address on the mirror', () => {
  test('has the path of the main host', () => {
    expect(site('/2026/story?x=1#part')).toBe('https://news.example/2026/story?x=1#part');
  });
  test('of another host of the publisher lies below a path of its own', () => {
    expect(site('/passerelle.reader/at/fr.news.example:8443/a?b')).toBe('https://fr.news.example:8443/a?b');
    expect(site('/a', '/passerelle.reader/at/fr.news.example:8443/x')).toBe('https://fr.news.example:8443/a');
  });
  test('names no host that is not of the site', () => {
    expect(site('/passerelle.reader/at/evil.example/a')).toBeUndefined();
    expect(site('https://evil.example/a')).toBeUndefined();
    expect(site('/a', 'https://evil.example/passerelle.reader/at/fr.news.example:8443/')).toBe('https://news.example/a');
    expect(site('http://evil.example/a')).toBeUndefined();
  });
});

test('the way to the mirror and back ends where it began', () => {
  for (const text of ['https://news.example/a/b?c#d', 'https://fr.news.example:8443/', 'https://news.example//x']) {
    const shown = places.mirrorAddress(new URL(text))!;
    expect(shown.origin).toBe('https://mirror.example');
    expect(places.siteAddress(shown, null)?.href).toBe(text);
  }
  expect(places.mirrorAddress(new URL('https://evil.example/'))).toBeNull();
});

test('an address of before HTTPS is the same page', () => {
  expect(site('http://news.example/a?b')).toBe('https://news.example/a?b');
  expect(places.mirrorAddress(new URL('http://fr.news.example:8443/a'))?.pathname).toBe('/passerelle.reader/at/fr.news.example:8443/a');
  expect(new Places('http://mirror.example', ['http://news.example']).mirrorAddress(new URL('https://news.example/'))).toBeNull();
});

test('a page of another host names the main one, whose paths would be read as its own', () => {
  const from = (page: string, address: string) => places.addressFrom(url(page), new URL(address))?.pathname;
  expect(from('/', 'https://news.example/a')).toBe('/a');
  expect(from('/', 'https://fr.news.example:8443/a')).toBe('/passerelle.reader/at/fr.news.example:8443/a');
  const french = '/passerelle.reader/at/fr.news.example:8443/x';
  expect(from(french, 'https://news.example/a')).toBe('/passerelle.reader/at/news.example/a');
  expect(site(from(french, 'https://news.example/a')!, french)).toBe('https://news.example/a');
  expect(from(french, 'https://evil.example/a')).toBeUndefined();
});

test('only files of the mirror itself are its own', () => {
  expect(places.isOwn(url('/passerelle.reader/shell.html'))).toBe(true);
  expect(places.isOwn(url('/passerelle.reader/at/fr.news.example:8443/'))).toBe(false);
  expect(places.isOwn(url('/story'))).toBe(false);
  expect(places.isOwn(new URL('https://news.example/passerelle.reader/shell.html'))).toBe(false);
});
