import { describe, expect, test } from 'vitest';
import { shownHeaders } from '../../src/site/answer';
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
    expect(site('http://news.example/a')).toBeUndefined();
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

test('only files of the mirror itself are its own', () => {
  expect(places.isOwn(url('/passerelle.reader/shell.html'))).toBe(true);
  expect(places.isOwn(url('/passerelle.reader/at/fr.news.example:8443/'))).toBe(false);
  expect(places.isOwn(url('/story'))).toBe(false);
  expect(places.isOwn(new URL('https://news.example/passerelle.reader/shell.html'))).toBe(false);
});

describe('headers of an answer', () => {
  const shown = (...headers: [string, string][]) =>
    new Map(shownHeaders(headers, new URL('https://news.example/a/b#part'), places, true));
  test('that would reach past the reading page are left out', () => {
    const given = shown(['set-cookie', 'a=1'], ['x-frame-options', 'DENY'], ['content-encoding', 'gzip'], ['etag', '"1"']);
    expect([...given.keys()]).toEqual(['etag', 'content-security-policy', 'x-dns-prefetch-control', 'referrer-policy']);
    expect(given.get('content-security-policy')).toContain('https://fr.news.example:8443');
    expect(given.get('content-security-policy')).toContain("object-src 'none'");
  });
  test('send a redirect to the mirror, and one that leaves the site to a page about that', () => {
    expect(shown(['location', '../c']).get('location')).toBe('https://mirror.example/c#part');
    expect(shown(['location', 'https://evil.example/?q']).get('location')).toBe(
      '/passerelle.reader/outside#https%3A%2F%2Fevil.example%2F%3Fq%23part',
    );
    expect(shown(['location', 'http://[']).get('location')).toBe('/passerelle.reader/outside');
  });
});
