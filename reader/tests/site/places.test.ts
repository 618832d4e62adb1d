import { describe, expect, test } from 'vitest';
import { isShown, redirect, shownHeaders } from '../../src/site/answer';
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

describe('headers of an answer', () => {
  const shown = (...headers: [string, string][]) =>
    new Map(shownHeaders(headers, new URL('https://news.example/a/b#part'), places, true));
  test('that would reach past the reading page are left out', () => {
    const given = shown(['set-cookie', 'a=1'], ['x-frame-options', 'DENY'], ['content-encoding', 'gzip'], ['etag', '"1"']);
    expect([...given.keys()]).toEqual(['etag', 'cache-control', 'content-security-policy', 'x-dns-prefetch-control', 'referrer-policy']);
    expect(given.get('content-security-policy')).toContain('https://fr.news.example:8443');
    expect(given.get('content-security-policy')).toContain("object-src 'none'");
  });
  test('let a browser keep what only one host of the site can mean', () => {
    const alone = new Places('https://mirror.example', ['https://news.example']);
    const kept = (each: Places) =>
      new Map(shownHeaders([['cache-control', 'max-age=9']], new URL('https://news.example/'), each, false)).get('cache-control');
    expect(kept(alone)).toBe('max-age=9');
    expect(kept(places)).toBe('no-cache');
  });
  test('send a redirect to the mirror', () => {
    expect(shown(['location', '../c']).get('location')).toBe('https://mirror.example/c#part');
    expect(shown(['location', 'http://[']).has('location')).toBe(false);
  });
  test.each([
    ['5; url=/c', '5; url=https://mirror.example/c#part'],
    ["0;URL='https://news.example/c'", "0;URL='https://mirror.example/c#part'"],
    ['3,https://news.example/c?d', '3,https://mirror.example/c?d#part'],
    ['30', '30'],
  ])('send a page that moves by itself to the mirror: %s', (given, expected) => {
    expect(shown(['refresh', given]).get('refresh')).toBe(expected);
  });
  test('name a file in an encoding that browsers read', () => {
    const raw = (text: string) => String.fromCharCode(...new TextEncoder().encode(text));
    const named = (value: string) => shown(['content-disposition', value]).get('content-disposition');
    expect(named(raw('attachment; filename="é 1.pdf"'))).toBe("attachment; filename*=UTF-8''%C3%A9%201.pdf");
    expect(named('attachment; filename="a.pdf"')).toBe('attachment; filename="a.pdf"');
    expect(named('attachment; filename="\xe9.pdf"')).toBe('attachment; filename="\xe9.pdf"');
  });
  test('allow scripts only in documents with the inner script', () => {
    const policy = (type: string) => shown(['content-type', type]).get('content-security-policy');
    const isClosed = (type: string) => policy(type)?.includes("script-src 'none'");
    expect(['text/html; charset=utf-8', 'image/svg+xml', ''].map(isClosed)).toEqual([false, true, true]);
  });
});

test.each([
  ['text/html', true], ['image/png', true], ['application/rss+xml', true], ['application/json', true], ['', true],
  ['application/pdf', false], ['application/zip', false], ['text/csv', false],
])('a frame shows %j: %s', (type, is) => {
  expect(isShown([['content-type', type]])).toBe(is);
  expect(isShown([['content-type', type], ['content-disposition', 'attachment; filename=a']])).toBe(false);
});

test('a redirect is an answer that says so, with an address', () => {
  const page = new URL('https://news.example/a/b');
  expect(redirect(302, [['location', '../c']], page)?.href).toBe('https://news.example/c');
  expect(redirect(200, [['location', '/c']], page)).toBeNull();
  expect(redirect(302, [['location', 'http://[']], page)).toBeNull();
  expect(redirect(304, [], page)).toBeNull();
});
