import { expect, test } from 'vitest';
import { altered, asUtf8 } from '../../src/site/document';
import type { Header } from '../../src/site/answer';
import { Chance } from '../chance';

async function through(document: string, pieces: readonly Uint8Array[] = [new TextEncoder().encode(document)]): Promise<string> {
  const source = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
  return new Response(source.pipeThrough(altered('<script></script>')) as ReadableStream<Uint8Array<ArrayBuffer>>).text();
}

test.each([
  ['<!doctype html><html><head lang=en><title>x', '<!doctype html><html><head lang=en><script></script><title>x'],
  ['<!DOCTYPE html><title>x', '<!DOCTYPE html><script></script><title>x'],
  ['<!-- a --><!doctype html><html lang=fa><body>x', '<!-- a --><!doctype html><html lang=fa><script></script><body>x'],
  ['<p>x', '<script></script><p>x'],
  ['', '<script></script>'],
  ['<!-- <head> --><html><head>x', '<!-- <head> --><html><head><script></script>x'],
  ['<!--><script>x', '<!--><script></script><script>x'],
  ['<html data-x="a>b"><body>x', '<html data-x="a>b"><script></script><body>x'],
  ['<?xml version="1.0"?><!doctype html><html><head>x', '<?xml version="1.0"?><!doctype html><html><head><script></script>x'],
  ['﻿<html><header>x', '﻿<html><script></script><header>x'],
])('it stands in front of all other scripts: %j', async (document, shown) => {
  expect(await through(document)).toBe(shown.replace(/^\ufeff/, ''));
});

test.each([
  ['<link rel="preconnect" href="https://x.example">', '<link rel="none" href="https://x.example">'],
  [`<link href='//preconnect.example/a>b' rel=dns-prefetch>`, `<link href='//preconnect.example/a>b' rel=none>`],
  ['<LINK REL="Preconnect stylesheet">', '<LINK REL="none stylesheet">'],
  ['<meta http-equiv="Content-Security-Policy" content="script-src x">', '<meta http-equiv="none" content="script-src x">'],
  ['<meta http-equiv="refresh" content="0">', '<meta http-equiv="refresh" content="0">'],
  ['<a rel="preconnect">preconnect</a>', '<a rel="preconnect">preconnect</a>'],
])('the browser obeys no tag that acts before scripts do: %j', async (tag, shown) => {
  const whole = `<head><script></script>${shown}<p>`;
  expect(await through(`<head>${tag}<p>`)).toBe(whole);
  expect(await through('', [...new TextEncoder().encode(`<head>${tag}<p>`)].map((byte) => Uint8Array.of(byte)))).toBe(whole);
});

test('it is the same however the document is cut', async () => {
  const document = `<!doctype html><html><head data-x="é">${'<p>ü'.repeat(9000)}`;
  const whole = await through(document);
  const chance = new Chance(1);
  const pieces = [...chance.cut(new TextEncoder().encode(document), 900)];
  expect(await through(document, pieces)).toBe(whole);
  expect(whole.replace('<script></script>', '')).toBe(document);
});

test.each([
  ['utf-16le', [0x41, 0, 0x16, 0x04], 'AЖ', 'text/html; charset=utf-8'],
  ['"UTF-16BE"', [0, 0x41, 0x04, 0x16], 'AЖ', 'text/html; charset=utf-8'],
  ['utf-8', [0x41], 'A', 'text/html; charset=utf-8'],
  ['no-such', [0x41], 'A', 'text/html; charset=no-such'],
])('a document in %s has ASCII in it', async (charset, bytes, text, type) => {
  const headers: Header[] = [['etag', '"1"'], ['content-type', `text/html; charset=${charset}`]];
  const shown = await new Response(asUtf8(new Response(Uint8Array.from(bytes)).body!, headers)).text();
  expect(shown).toBe(text);
  expect(headers[1]).toEqual(['content-type', type]);
});
