import { expect, test } from 'vitest';
import { COOKIE_BYTES, COOKIES, COOKIES_PER_HOST } from '../../src/limits';
import { Chance } from '../chance';
import { Jar } from '../../src/site/jar';

const page = (path = '/', host = 'news.example') => new URL(path, `https://${host}`);
let now = 1_800_000_000_000;
const jar = () => new Jar((host) => host === 'news.example' || host.endsWith('.news.example'), () => now);

test('a cookie comes back to its host and path', () => {
  const cookies = jar();
  cookies.set('a=1', page('/2026/story'));
  expect(cookies.header(page('/2026/other'))).toBe('a=1');
  expect(cookies.header(page('/2026'))).toBe('a=1');
  expect(cookies.header(page('/20267'))).toBeNull();
  expect(cookies.header(page('/2026/x', 'www.news.example'))).toBeNull();
});

test('a domain reaches hosts below it, and never beyond the site', () => {
  const cookies = jar();
  cookies.set('a=1; Domain=.news.example; Path=/', page('/', 'www.news.example'));
  expect(cookies.header(page('/', 'fr.news.example'))).toBe('a=1');
  cookies.set('b=1; Domain=example', page());
  cookies.set('c=1; Domain=www.news.example', page());
  expect(cookies.header(page())).toBe('a=1');
});

test('scripts neither see nor change what is HttpOnly', () => {
  const cookies = jar();
  cookies.set('login=secret; HttpOnly; Path=/', page());
  cookies.setByScript('login=mine; path=/', page());
  cookies.setByScript('x=1; httponly', page());
  expect(cookies.scriptText(page())).toBe('');
  expect(cookies.header(page())).toBe('login=secret');
});

test('a cookie ends at its time, and at once for a time that is over', () => {
  const cookies = jar();
  cookies.set('a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT', page());
  cookies.set('b=1', page());
  cookies.set('b=; Max-Age=0', page());
  expect(cookies.header(page())).toBe('a=1');
  now += 61_000;
  expect(cookies.header(page())).toBeNull();
});

test('longer paths come first, then the older cookie', () => {
  const cookies = jar();
  cookies.set('old=1; path=/', page());
  cookies.set('new=1; path=/', page());
  cookies.set('long=1; path=/a', page());
  cookies.set('old=2; path=/', page());
  expect(cookies.header(page('/a/b'))).toBe('long=1; old=2; new=1');
});

test.each(['', ';', 'a=b\nc: d', '__Host-a=1; path=/', '__Secure-a=1', `a=${'x'.repeat(COOKIE_BYTES)}`])(
  'a wrong line changes nothing: %j',
  (line) => {
    const cookies = jar();
    cookies.set(line, page());
    expect(cookies.header(page())).toBeNull();
  },
);

test('the jar is bounded, and the cookie used longest ago gives way', () => {
  const cookies = jar();
  for (let index = 0; index <= COOKIES_PER_HOST; index++) {
    cookies.set(`c${index}=1; path=/`, page());
    cookies.scriptText(page('/', 'elsewhere.news.example'));
  }
  const left = cookies.header(page())!.split('; ');
  expect(left).toHaveLength(COOKIES_PER_HOST);
  expect(left.includes('c0=1')).toBe(false);
  for (let index = 0; index < COOKIES; index++) cookies.set('a=1', page('/', `h${index}.news.example`));
  expect(cookies.header(page())).toBeNull();
});

test('a jar takes what another one has, and keeps its own', () => {
  const [old, cookies] = [jar(), jar()];
  old.set('a=1; Path=/; HttpOnly', page());
  old.set('b=1; Path=/', page());
  cookies.set('b=2; Path=/', page());
  cookies.add(structuredClone(old.all()));
  expect(cookies.header(page())?.split('; ').sort()).toEqual(['a=1', 'b=2']);
  expect(cookies.scriptText(page())).toBe('b=2');
  cookies.clear();
  expect(cookies.header(page())).toBeNull();
});

test('a flood of cookies leaves requests that a server takes', () => {
  const jar = new Jar(() => true);
  const url = new URL('https://news.example/');
  for (let n = 0; n < 500; n++) jar.set(`c${n}=${'x'.repeat(4000)}; path=/`, url);
  expect(jar.header(url)!.length).toBeLessThanOrEqual(16 * 1024);
  expect(jar.header(url)!.length).toBeGreaterThan(12 * 1024);
});

test('whatever sets cookies, a line of them is one that HTTP allows, and no other site gets them', () => {
  const chance = new Chance(5);
  const parts = ['a', '=', ';', ' ', 'domain=', '.news.example', 'example', 'path=/', 'expires=Thu, 01 Jan 2099', 'max-age=', '9', '-', 'secure', '__Host-', '\t', '\u0000', 'é', ',', '"'];
  const isSite = (host: string) => host === 'news.example' || host === 'img.news.example';
  for (let round = 0; round < 400; round++) {
    const jar = new Jar(isSite);
    for (let n = 0; n < 4; n++) {
      const line = Array.from({ length: chance.below(9) }, () => parts[chance.below(parts.length)]).join('');
      const from = new URL(chance.below(2) ? 'https://news.example/a/b' : 'https://img.news.example/');
      if (chance.below(2)) jar.set(line, from);
      else jar.setByScript(line, from);
    }
    for (const host of ['news.example', 'img.news.example']) {
      const line = jar.header(new URL(`https://${host}/a/b/c`));
      if (line !== null) expect(/^[^\x00-\x08\x0a-\x1f\x7f]+$/.test(line)).toBe(true);
    }
    for (const host of ['example', 'evilnews.example', 'news.example.evil']) {
      expect(jar.header(new URL(`https://${host}/a/b/c`))).toBe(null);
    }
  }
});
