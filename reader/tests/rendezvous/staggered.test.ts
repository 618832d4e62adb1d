import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { staggered } from '../../src/rendezvous/staggered';

const never = new AbortController().signal;
const begun: number[] = [];
const givenUp: number[] = [];

/** An attempt that ends after `ms` as `outcome` says; it notes when it is given up. */
function attempt(number: number, ms: number, outcome: 'works' | 'fails') {
  return (signal: AbortSignal) => {
    begun.push(number);
    signal.addEventListener('abort', () => givenUp.push(number));
    return new Promise<string>((resolve, reject) =>
      setTimeout(() => (outcome === 'works' ? resolve(`the ${number}`) : reject(new Error(`no ${number}`))), ms),
    );
  };
}

beforeEach(() => {
  vi.useFakeTimers();
  begun.length = givenUp.length = 0;
});
afterEach(() => {
  vi.useRealTimers();
});

test('one that works in time is the only one', async () => {
  const found = staggered([attempt(0, 100, 'works'), attempt(1, 1, 'works')], () => 1000, never);
  await vi.advanceTimersByTimeAsync(100);
  expect(await found).toEqual(['the 0', 0]);
  expect(begun).toEqual([0]);
});

test('a failure brings the next at once, and silence after a while', async () => {
  const ways = [attempt(0, 10, 'fails'), attempt(1, 60_000, 'works'), attempt(2, 10, 'works')];
  const found = staggered(ways, () => 1000, never);
  await vi.advanceTimersByTimeAsync(10);
  expect(begun).toEqual([0, 1]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(begun).toEqual([0, 1, 2]);
  await vi.advanceTimersByTimeAsync(10);
  expect(await found).toEqual(['the 2', 2]);
  expect(givenUp).toContain(1);
});

test('a slow one still counts when later ones fail', async () => {
  const found = staggered([attempt(0, 3000, 'works'), attempt(1, 10, 'fails')], () => 1000, never);
  await vi.advanceTimersByTimeAsync(3000);
  expect(await found).toEqual(['the 0', 0]);
});

test('when all fail, the last error is told', async () => {
  const found = staggered([attempt(0, 10, 'fails'), attempt(1, 10, 'fails')], () => 1000, never);
  const told = expect(found).rejects.toThrow('no 1');
  await vi.advanceTimersByTimeAsync(20);
  await told;
});

test('giving up ends it', async () => {
  const over = new AbortController();
  const found = staggered([attempt(0, 10, 'fails')], () => 1000, over.signal);
  const told = expect(found).rejects.toBe('enough');
  await vi.advanceTimersByTimeAsync(1);
  over.abort('enough');
  await vi.advanceTimersByTimeAsync(10);
  await told;
  expect(givenUp).toEqual([0]);
});
