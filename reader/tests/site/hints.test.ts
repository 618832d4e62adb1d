import { expect, test } from 'vitest';
import { withoutHints } from '../../src/site/hints';
import { Chance } from '../chance';

const utf8 = new TextEncoder();
const isOutside = (address: string) => address.startsWith('https://else.example');

async function through(document: string, most = 1000): Promise<string> {
  const pieces = [...new Chance(4).cut(utf8.encode(document), most)];
  const source = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
  return new Response(source.pipeThrough(withoutHints(isOutside)) as ReadableStream<Uint8Array<ArrayBuffer>>).text();
}

test.each([
  ['<link rel="dns-prefetch" href="//s.example"><p>About preconnect: é</p>', 'rel', 'xel'],
  [`<LINK href='//a.example' REL='stylesheet PRECONNECT'>`, 'REL', 'xEL'],
  ['<link rel=preconnect>', 'rel', 'xel'],
  ['<link rel\n=\fpreconnect/>', 'rel', 'xel'],
  ['<link rel="pre&#99;onnect">', 'rel', 'xel'],
  ['<link rel="pre&#x63onnect">', 'rel', 'xel'],
  ['<link title=">" rel="preconnect">', 'rel', 'xel'],
  [`<link a"='>' rel="preconnect">`, 'rel', 'xel'],
  ['<link =" rel="preconnect">', 'rel', 'xel'],
  ['<link/rel=preconnect>', 'rel', 'xel'],
  [`<a title="<link x='"><link rel=preconnect>'`, 'rel', 'xel'],
  ['<meta http-equiv="Content-Security-Policy" content="script-src x"><p>Content-Security-Policy', 'http', 'xttp'],
  ['<meta http-equiv=x-dns-prefetch-control content=on>', 'http', 'xttp'],
  ['<iframe src="https://else.example/embed" title=é></iframe>', 'src', 'xrc'],
  ['<iframe src="&#104;ttps&colon;//else.example/embed">', 'src', 'xrc'],
  ['<object data=https://else.example/x>', 'data', 'xata'],
  [`<iframe srcdoc="&lt;link rel='pre&amp;#99;onnect' href=//else.example>">`, 'srcdoc', 'xrcdoc'],
  ['<p><template class=x shadowrootmode="closed"><b>', '"closed"', '"open"  '],
  ['<template shadowrootmode=closed>', 'closed', 'open  '],
])('what leads elsewhere has a name that means nothing, however the document is cut: %s', async (document, name, shown) => {
  for (const most of [1, 2, 9, 60, 1000]) expect(await through(document, most)).toBe(document.replace(name, shown));
});

test.each([
  '<link rel=stylesheet href=/preconnect.css>',
  '<meta name=description content="rel=preconnect">',
  '<linked rel=preconnect><p rel=preconnect>',
  '<iframe src="/player?of=https://else.example"></iframe><iframe srcdoc="&lt;p>x">',
  '<img src="https://else.example/x">',
  '<link',
  '<iframe src="https://else.exam',
])('all else stays as it is: %s', async (document) => {
  for (const most of [1, 7, 1000]) expect(await through(document, most)).toBe(document);
});

test('a tag without end is none, and is not held back for ever', async () => {
  for (const rest of ['x'.repeat(20_000), `"${'<link rel=preconnect '.repeat(2000)}`]) {
    const document = `<link ${rest}`;
    const shown = await through(document, 500);
    expect(shown).toHaveLength(document.length);
    expect(shown.startsWith('<xink')).toBe(true);
    expect(shown.slice(0, -16_384).includes('<link rel')).toBe(false);
  }
});

test('a document made of beginnings takes no longer than others', async () => {
  const seconds = async (text: string) => {
    const begun = performance.now();
    await through(text, 65_536);
    return (performance.now() - begun) / 1000;
  };
  const usual = await seconds('<p class="a">b</p>'.repeat(60_000));
  expect(await seconds('<link '.repeat(180_000))).toBeLessThan(20 * usual + 2);
});

test('no way of writing hides a hint', async () => {
  const parts = ['<link', '<meta', '<iframe', ' ', '/', '=', '"', "'", '>', 'rel', 'http-equiv', 'preconnect', 'prec&#111;nnect', 'x', '\n', '<!--', '-->', '&'];
  const chance = new Chance(9);
  for (let round = 0; round < 3000; round++) {
    const text = Array.from({ length: 1 + chance.below(16) }, () => parts[chance.below(parts.length)]).join('');
    const shown = await through(`${text}>`, 5);
    expect(tokenised(shown), JSON.stringify(text)).toEqual([]);
  }
});

/** Return the hints in a document by the states of the HTML Standard, one character at a time. Every `<link` counts as a tag. */
function tokenised(document: string): string[] {
  const found: string[] = [];
  for (const { index, 0: begin } of document.matchAll(/<(?:link|meta|iframe)(?=[\t\n\f\r />])/gi)) {
    const given: [string, string][] = [];
    let state: 'before' | 'name' | 'after' | 'value' | 'plain' | '"' | "'" = 'before';
    let isWhole = false;
    for (const c of document.slice(index + begin.length)) {
      const isSpace = '\t\n\f\r '.includes(c);
      if (c === '>' && state !== '"' && state !== "'") {
        isWhole = true;
        break;
      }
      if (state === '"' || state === "'") {
        if (c === state) state = 'before';
        else given.at(-1)![1] += c;
      } else if (state === 'plain') {
        if (isSpace) state = 'before';
        else given.at(-1)![1] += c;
      } else if (state === 'value') {
        if (c === '"' || c === "'") state = c;
        else if (!isSpace) {
          given.at(-1)![1] += c;
          state = 'plain';
        }
      } else if (state === 'name' && c !== '=' && c !== '/' && !isSpace) given.at(-1)![0] += c;
      else if (state !== 'before' && c === '=') state = 'value';
      else if (c === '/') state = 'before';
      else if (isSpace) state = state === 'name' ? 'after' : state;
      else {
        given.push([c, '']);
        state = 'name';
      }
    }
    if (!isWhole) continue;
    for (const [name, value] of given) {
      if (/^(?:rel|http-equiv)$/i.test(name) && value.replaceAll('&#111;', 'o').includes('preconnect')) found.push(name);
    }
  }
  return found;
}
