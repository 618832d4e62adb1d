import { expect, test } from 'vitest';
import { isLaidOut, isShown, kindOf, redirect, shownHeaders, type Header } from '../../src/site/answer';
import { Places } from '../../src/site/places';
import { Chance } from '../chance';

const places = new Places('https://mirror.example', ['https://news.example', 'https://img.news.example']);
const url = new URL('https://news.example/a/x#part');
const HTML: Header = ['content-type', 'text/html; charset=utf-8'];

const shown = (headers: readonly Header[], isDocument = true) =>
  new Map(shownHeaders(headers, { url, kind: isDocument ? kindOf(headers) : null, isChanged: isDocument }, places));

test.each([
  'clear-site-data', 'content-security-policy', 'link', 'nel', 'report-to', 'reporting-endpoints',
  'service-worker-allowed', 'set-cookie', 'speculation-rules', 'x-frame-options', 'x-dns-prefetch-control', 'connection-allowlist',
])('%s of a site has no say', (name) => {
  for (const isDocument of [true, false]) {
    const value = shown([HTML, [name, 'hostile']], isDocument).get(name);
    expect(value === 'hostile').toBe(false);
  }
});

test('a document keeps only what is known, and scripts see the rest of what they fetch', () => {
  const headers: Header[] = [HTML, ['x-wp-total', '7'], ['etag', '"1"'], ['sourcemap', 'x']];
  expect([...shown(headers).keys()].sort()).toEqual([
    'cache-control', 'content-security-policy', 'content-type', 'etag', 'referrer-policy', 'x-content-type-options',
    'x-dns-prefetch-control',
  ]);
  expect(shown(headers, false).get('x-wp-total')).toBe('7');
});

test('nothing of the policy leads past the service worker', () => {
  const policy = shown([HTML]).get('content-security-policy')!;
  for (const rule of ["frame-src 'self';", "form-action 'self';", "fenced-frame-src 'none'", "object-src 'none'", "worker-src 'none'"]) {
    expect(policy).toContain(rule);
  }
  expect(policy.includes("script-src 'none'")).toBe(false);
});

test.each([
  [['text/html'], true, 'text/html'],
  [[' Text/HTML ;charset="UTF-16" '], true, 'text/html; charset=UTF-16'],
  [['text/html; x="charset=a"; charset=gbk'], true, 'text/html; charset=gbk'],
  [['image/svg+xml'], false, 'image/svg+xml'],
  [['application/xhtml+xml; charset=utf-8'], false, 'application/xhtml+xml; charset=utf-8'],
  [[], false, 'text/plain'],
  [['text/plain, text/html'], false, 'text/plain'],
  [['text/plain', 'text/html'], false, 'text/plain'],
  [['multipart/x-mixed-replace; boundary=x'], false, 'text/plain'],
  [['text/html/x'], false, 'text/plain'],
  [['html'], false, 'text/plain'],
])('%j is shown as one thing in every browser', (given, isHtml, type) => {
  const headers = given.map((value): Header => ['content-type', value]);
  expect(kindOf(headers)).toMatchObject({ isHtml, type });
  const all = shown(headers);
  expect(all.get('content-type')).toBe(type);
  expect(all.get('x-content-type-options')).toBe('nosniff');
  expect(all.get('content-security-policy')!.includes("script-src 'none'")).toBe(!isHtml);
});

test.each([
  ['../b', 'https://mirror.example/b#part'],
  ['/b#c', 'https://mirror.example/b#c'],
  ['//img.news.example/x', 'https://mirror.example/passerelle.reader/at/img.news.example/x#part'],
  ['http://news.example/', 'https://mirror.example/#part'],
  ['https://news.example:444/', undefined],
  ['https://news.example@evil.example/', undefined],
  ['javascript:alert(1)', undefined],
  ['https://[', undefined],
])('a redirect to %s leads to %s', (location, where) => {
  expect(shown([['location', location]]).get('location')).toBe(where);
});

test('whatever a site sends makes headers that a Response takes', () => {
  const chance = new Chance(6);
  const names = ['content-type', 'location', 'set-cookie', 'x-a', 'link', 'content-length'];
  for (let round = 0; round < 500; round++) {
    const headers = Array.from({ length: chance.below(8) }, (): Header => [
      names[chance.below(names.length)]!,
      String.fromCharCode(...Array.from(chance.bytes(20), (byte) => (byte < 33 || byte === 127 ? 97 : byte))),
    ]);
    const made = shownHeaders(headers, { url, kind: chance.below(2) ? kindOf(headers) : null, isChanged: true }, places);
    const response = new Response(null, { headers: made as [string, string][] });
    const location = response.headers.get('location');
    if (location !== null && !location.includes(',')) {
      expect(new URL(location, 'https://mirror.example').origin).toBe('https://mirror.example');
    }
  }
});

test('a browser keeps only what one host of the site can mean', () => {
  const alone = new Places('https://mirror.example', ['https://news.example']);
  const kept = (each: Places) => new Map(shownHeaders([['cache-control', 'max-age=9']], { url, kind: null, isChanged: false }, each));
  expect(kept(alone).get('cache-control')).toBe('max-age=9');
  expect(kept(places).get('cache-control')).toBe('no-cache');
});

test.each([
  ['5; url=/c', '5; url=https://mirror.example/c#part'],
  ["0;URL='https://news.example/c'", "0;URL='https://mirror.example/c#part'"],
  ['3,https://news.example/c?d', '3,https://mirror.example/c?d#part'],
  ['30', '30'],
])('a page that moves by itself goes to the mirror: %s', (given, expected) => {
  expect(shown([HTML, ['refresh', given]]).get('refresh')).toBe(expected);
});

test('a file is named in an encoding that browsers read', () => {
  const raw = (text: string) => String.fromCharCode(...new TextEncoder().encode(text));
  const named = (value: string) => shown([['content-disposition', value]]).get('content-disposition');
  expect(named(raw('attachment; filename="é 1.pdf"'))).toBe("attachment; filename*=UTF-8''%C3%A9%201.pdf");
  expect(named('attachment; filename="a.pdf"')).toBe('attachment; filename="a.pdf"');
  expect(named('attachment; filename="\xe9.pdf"')).toBe('attachment; filename="\xe9.pdf"');
});

test.each([
  ['text/html', true], ['image/png', true], ['application/rss+xml', true], ['application/json', true], ['', true],
  ['application/pdf', false], ['application/zip', false], ['text/csv', false],
])('a frame shows %j: %s', (type, is) => {
  const fields: Header[] = [['content-type', type]];
  expect(isShown(kindOf(fields), fields)).toBe(is);
  fields.push(['content-disposition', 'attachment; filename=a']);
  expect(isShown(kindOf(fields), fields)).toBe(false);
});

test.each([
  ['text/html', true], ['text/plain', true], ['', true], ['application/json', true], ['application/rss+xml', true],
  ['image/png', false], ['video/mp4', false], ['audio/mpeg', false],
])('a browser lays %j out as one document: %s', (type, is) => {
  const fields: Header[] = [['content-type', type]];
  expect(isLaidOut(kindOf(fields), fields)).toBe(is);
});

test('a redirect is an answer that says so, with an address', () => {
  expect(redirect(302, [['location', '../c']], url)?.href).toBe('https://news.example/c');
  expect(redirect(200, [['location', '/c']], url)).toBeNull();
  expect(redirect(302, [['location', 'http://[']], url)).toBeNull();
  expect(redirect(304, [], url)).toBeNull();
});
