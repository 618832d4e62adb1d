import { expect, test } from 'vitest';
import { pause_ms, want, type Want } from '../../src/links/pauses';
import { ASK_PAUSES_MS } from '../../src/limits';

const HOUR_MS = 3_600_000;

/** Return how many requests are made in `hours` after the first that brings somebody, if later ones bring nobody. */
function requests(wanted: Want, hours: number, random: number): number {
  let count = 0;
  for (let at_ms = pause_ms(wanted, 0, random); at_ms < hours * HOUR_MS; at_ms += pause_ms(wanted, count, random)) count += 1;
  return count;
}

test.each([0, 0.5, 0.999])('where nobody is offered, requests become rare (chance %d)', (random) => {
  // Somebody waits for the page, so that one never waits for longer than half a minute.
  expect(requests('any', 1, random)).toBeGreaterThan(HOUR_MS / 1000 / 32);
  expect(requests('spares', 1, random)).toBeLessThanOrEqual(32);
  expect(requests('sparesByDoor', 1, random)).toBe(0);
  expect(requests('sparesByDoor', 24, random)).toBeLessThanOrEqual(4);
});

test.each(Object.keys(ASK_PAUSES_MS) as Want[])('the pause for %s doubles between its bounds', (wanted) => {
  const [first_ms, most_ms] = ASK_PAUSES_MS[wanted];
  const pauses = Array.from({ length: 40 }, (_, failures) => pause_ms(wanted, failures, 0));
  expect(pauses[0]).toBe(first_ms);
  expect(pauses.at(-1)).toBe(most_ms);
  for (const [index, each] of pauses.slice(1).entries()) expect(each).toBe(Math.min(most_ms, 2 * pauses[index]!));
  expect(pause_ms(wanted, 2000, 0.999)).toBeLessThan(2 * most_ms);
});

test('readers that begin in the same moment ask at different times', () => {
  expect(pause_ms('spares', 3, 0.5)).toBe(1.5 * pause_ms('spares', 3, 0));
});

test('what a page waits for depends on who carries, and on who was asked', () => {
  expect(want(0, false, false)).toBe('any');
  expect(want(0, true, false)).toBe('any');
  expect(want(0, true, true)).toBe('spares');
  expect(want(1, false, false)).toBe('spares');
  expect(want(1, true, false)).toBe('sparesByDoor');
  expect(want(2, true, true)).toBe('sparesByDoor');
});
