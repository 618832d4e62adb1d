import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ConditionsWatcher } from '../../../src/element/work/conditions';

/** What the watcher told of moves, each with whether the network may be another one. */
let moves: boolean[];
let page: EventTarget;
let connection: EventTarget & { type?: string };

beforeEach(() => {
  moves = [];
  page = new EventTarget();
  connection = new EventTarget();
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
  vi.stubGlobal('navigator', { connection });
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('only a new connection, or one of another kind, may be another network', async () => {
  const watcher = new ConditionsWatcher({ changed: vi.fn(), moved: (isOther) => moves.push(isOther) });
  connection.type = 'wifi';
  await watcher.start();
  connection.dispatchEvent(new Event('change'));
  expect(moves).toEqual([false]);
  connection.type = 'cellular';
  connection.dispatchEvent(new Event('change'));
  expect(moves).toEqual([false, true]);
  page.dispatchEvent(new Event('online'));
  expect(moves).toEqual([false, true, true]);
  // A computer that slept is most often where it was.
  vi.setSystemTime(Date.now() + 3_600_000);
  vi.advanceTimersByTime(15_000);
  expect(moves).toEqual([false, true, true, false]);
  watcher.stop();
  page.dispatchEvent(new Event('online'));
  connection.dispatchEvent(new Event('change'));
  expect(moves).toHaveLength(4);
});
