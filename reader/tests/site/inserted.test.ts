import { expect, test } from 'vitest';
import { inserted } from '../../src/site/inserted';
import { Chance } from '../chance';

async function through(document: string, pieces: readonly Uint8Array[] = [new TextEncoder().encode(document)]): Promise<string> {
  const source = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
  return new Response(source.pipeThrough(inserted('<script></script>')) as ReadableStream<Uint8Array<ArrayBuffer>>).text();
}

test.each([
  ['<!doctype html><html><head lang=en><title>x', '<!doctype html><html><head lang=en><script></script><title>x'],
  ['<!DOCTYPE html><title>x', '<!DOCTYPE html><script></script><title>x'],
  ['<!-- a --><!doctype html><html lang=fa><body>x', '<!-- a --><!doctype html><html lang=fa><script></script><body>x'],
  ['<p>x', '<script></script><p>x'],
  ['', '<script></script>'],
  ['﻿<html><header>x', '﻿<html><script></script><header>x'],
])('it stands in front of all other scripts: %j', async (document, shown) => {
  expect(await through(document)).toBe(shown.replace(/^\ufeff/, ''));
});

test('it is the same however the document is cut', async () => {
  const document = `<!doctype html><html><head data-x="é">${'<p>ü'.repeat(9000)}`;
  const whole = await through(document);
  const chance = new Chance(1);
  const pieces = [...chance.cut(new TextEncoder().encode(document), 900)];
  expect(await through(document, pieces)).toBe(whole);
  expect(whole.replace('<script></script>', '')).toBe(document);
});
