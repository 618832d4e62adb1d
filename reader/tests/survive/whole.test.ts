import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SURVIVE_WATCHED_BYTES } from '../../src/limits';
import { carriesMuch, comes, isPage } from '../../src/survive/whole';

const FILE = new URL('https://news.example/passerelle-survive.js');

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

type Piece = readonly [after_ms: number, bytes: number | 'end' | 'reset'];

/** A page that comes in these pieces, one behind the other, and stands still after the last. */
function page(...pieces: readonly Piece[]): Response {
  const body = new ReadableStream<Uint8Array>({
    start: async (controller) => {
      for (const [after_ms, what] of pieces) {
        await new Promise((resolve) => setTimeout(resolve, after_ms));
        if (what === 'end') controller.close();
        else if (what === 'reset') controller.error(new TypeError('network error'));
        else controller.enqueue(new Uint8Array(what));
      }
    },
  });
  return new Response(body, { headers: { 'content-type': 'text/html; charset=utf-8' } });
}

const drops = Array.from({ length: 60 }, (): Piece => [1_000, 20]);
const slow = Array.from({ length: 30 }, (): Piece => [1_000, 1_200]);

test.each<readonly [string, readonly Piece[], boolean]>([
  ['at once', [[0, 5_000], [0, 'end']], true],
  ['with a pause', [[0, 5_000], [2_900, 5_000], [2_900, 'end']], true],
  ['slowly', [...slow, [0, 'end']], true],
  ['so far that nobody looks on any more', [[0, SURVIVE_WATCHED_BYTES]], true],
  ['without content', [[0, 'end']], true],
  ['in half', [[0, 16_384]], false],
  ['in half, and is reset', [[0, 16_384], [100, 'reset']], false],
  ['in half, and in drops', [[0, 16_384], ...drops, [0, 'end']], false],
  ['not at all', [], false],
])('a page that comes %s', async (_how, pieces, is) => {
  const found = comes(page(...pieces));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await found).toBe(is);
});

test('a page that stands still is known as soon as that is sure', async () => {
  let isKnown = false;
  void comes(page([500, 16_384])).then(() => (isKnown = true));
  await vi.advanceTimersByTimeAsync(3_400);
  expect(isKnown).toBe(false);
  await vi.advanceTimersByTimeAsync(200);
  expect(isKnown).toBe(true);
});

test.each<readonly [string, () => Promise<Response>, boolean]>([
  ['all of the file', async () => page([0, 100_000], [0, 'end']), true],
  ['its beginning', async () => page([0, 16_384]), false],
  ['nothing', () => new Promise(() => {}), false],
  ['no connection', () => Promise.reject(new TypeError('network error')), false],
])('a network that carries %s', async (_what, answer, is) => {
  vi.stubGlobal('fetch', answer);
  const found = carriesMuch(FILE);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await found).toBe(is);
});

test('files are no pages', () => {
  expect(isPage(page())).toBe(true);
  expect(isPage(new Response('', { headers: { 'content-type': 'application/zip' } }))).toBe(false);
  expect(isPage(new Response(null))).toBe(false);
});
