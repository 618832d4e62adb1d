import { expect, test } from 'vitest';
import { inserted } from '../../src/site/inserted';
import { Chance } from '../chance';

const TAG = '<script></script>';
const utf8 = new TextEncoder();

async function piped(pieces: readonly Uint8Array[], transform: TransformStream<Uint8Array, Uint8Array>): Promise<Uint8Array> {
  const source = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
  return new Response(source.pipeThrough(transform) as ReadableStream<Uint8Array<ArrayBuffer>>).bytes();
}

const through = async (document: string, pieces: readonly Uint8Array[] = [utf8.encode(document)]) =>
  new TextDecoder('utf-8', { ignoreBOM: true }).decode(await piped(pieces, inserted(TAG, null)));

const wide = (text: string, isLittle: boolean): Uint8Array => {
  const bytes = new Uint8Array(2 * text.length);
  for (let n = 0; n < text.length; n++) new DataView(bytes.buffer).setUint16(2 * n, text.charCodeAt(n), isLittle);
  return bytes;
};

test.each([
  ['<!doctype html><html><head lang=en>', '<title>x'],
  ['<!DOCTYPE html>', '<title>x'],
  ['<!-- a --><!doctype html>\n<html lang="fa" dir=rtl>', '<body>x'],
  ['', '<p>x'],
  ['', ''],
  ['﻿<html>', '<header>x'],
  ['<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">', '<p>'],
])('it stands in front of all that a page shows: %j', async (before, behind) => {
  expect(await through(before + behind)).toBe(before + TAG + behind);
});

test.each([
  ['<!doctype html><!-- <head> -->', '<script>1</script><head>'],
  ['<!doctype html>', '<script>"<head>"</script>'],
  ['<!doctype html>', '<html lang="<head>"><script>1</script>'],
  ['<!doctype html>', '<html a=b"><script>1</script><p ">'],
  ['<!doctype html>', '<title><head></title><script>1</script>'],
  ['', '<!--><script>1</script>--><head>'],
  ['', '<!---><script>1</script>--><head>'],
  ['<!-- --!>', '<script>1</script>--><head>'],
  ['', '<!-- \x1b$B --><script>1</script> \x1b(B --><head>'],
  ['', '<?xml version="1.0"?><head>'],
  ['', '<!-- without end <head>'],
  ['<html>', '<template><head>'],
])('no document keeps it from the front: %j', async (before, behind) => {
  expect(await through(before + behind)).toBe(before + TAG + behind);
});

test.each([
  [true, '\ufeff', null],
  [false, '\ufeff', null],
  [true, '', 'utf-16'],
  [true, '', 'UTF-16LE'],
  [false, '', 'utf-16be'],
])('a document in UTF-16 becomes one in UTF-8', async (isLittle, mark, charset) => {
  const document = wide(`${mark}<!doctype html><head><script>é</script>`, isLittle);
  const shown = await piped([...new Chance(3).cut(document, 5)], inserted(TAG, charset));
  expect(shown).toEqual(utf8.encode(`\ufeff<!doctype html><head>${TAG}<script>é</script>`));
});

test('a declaration of XML in UTF-16 is seen', async () => {
  const shown = await piped([wide('<?xml?><script>', true)], inserted(TAG, null));
  expect(shown).toEqual(utf8.encode(`\ufeff${TAG}<?xml?><script>`));
});

test('it is the same however the document is cut', async () => {
  const document = `<!doctype html><html><head data-x="é">${'<p>ü'.repeat(9000)}`;
  const whole = await through(document);
  const chance = new Chance(1);
  const pieces = [...chance.cut(utf8.encode(document), 900)];
  expect(await through(document, pieces)).toBe(whole);
  expect(whole.replace(TAG, '')).toBe(document);
});

test('whatever a document is made of, it is in it once, and no byte is lost', async () => {
  const parts = ['<!--', '-->', '--!>', '<!doctype html>', '<html', '<head', '>', ' ', 'a="', "'", '<script>', 'é', '\x1b', '<!', '<?', '-', '='];
  const chance = new Chance(8);
  for (let round = 0; round < 300; round++) {
    const document = Array.from({ length: chance.below(14) }, () => parts[chance.below(parts.length)]).join('');
    const whole = await through(document);
    expect(whole.split(TAG).join('')).toBe(document);
    expect(whole.split(TAG).length).toBe(2);
    const at = whole.indexOf(TAG);
    expect(whole.slice(0, at).replace(/<!--[^]*?--!?>/g, '').includes('<script>')).toBe(false);
    expect(await through(document, [...chance.cut(utf8.encode(document), 4)])).toBe(whole);
  }
});

test('a document that never begins is not held back', async () => {
  const document = `<!--${'x'.repeat(40_000)}`;
  expect(await through(document, [...new Chance(2).cut(utf8.encode(document), 1000)])).toBe(TAG + document);
});
