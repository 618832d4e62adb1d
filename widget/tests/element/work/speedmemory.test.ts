import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { NO_TEST, UNUSED, type RelayReport } from '../../../src/core/switch/report';
import { SpeedMemory } from '../../../src/element/work/speedmemory';

const FREE = { day_bytes: Infinity, left_bytes: Infinity, mbit: Infinity, isMetered: false };
const RATES = { down_mbit: 50, up_mbit: 5, isSmall: false };
const HOUR_MS = 3_600_000;
let stored: Map<string, string>;
let day: string;

const memory = () =>
  new SpeedMemory({
    get: (name) => stored.get(name) ?? null,
    set: (name, value) => void stored.set(name, value),
    today: () => day,
  });

const report = (part: Partial<RelayReport>): RelayReport => ({ ...({} as RelayReport), ...UNUSED, ...part });

beforeEach(() => {
  stored = new Map();
  day = '2026-05-01';
  vi.stubGlobal('navigator', { connection: { type: 'wifi' } });
  vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('what a test found counts for some hours, on later pages too', () => {
  const first = memory();
  expect(first.plan(FREE)).toEqual({ ...NO_TEST, bytes: 2_000_000 });
  expect(first.take(report({ tested_bytes: 0 }))).toBe(false);
  expect(first.take(report({ tested_bytes: 1_000 }))).toBe(true);
  expect(first.take(report({ tested_bytes: 4_000, rates: RATES }))).toBe(true);
  expect(first.take(report({ tested_bytes: 4_000, rates: RATES }))).toBe(false);
  const second = memory();
  expect(second.bytes).toBe(4_000);
  expect(second.plan(FREE)).toEqual({ ...NO_TEST, rates: RATES });
  expect(second.take(report({ tested_bytes: 0, rates: RATES }))).toBe(false);
  vi.setSystemTime(Date.now() + 11 * HOUR_MS);
  expect(memory().plan(FREE).rates).toEqual(RATES);
  vi.setSystemTime(Date.now() + 2 * HOUR_MS);
  expect(memory().plan(FREE)).toEqual({ ...NO_TEST, bytes: 2_000_000 });
});

test('it counts for one kind of network, and not after the clock went back', () => {
  const own = memory();
  own.plan(FREE);
  own.take(report({ tested_bytes: 4_000, rates: RATES }));
  vi.stubGlobal('navigator', { connection: { type: 'cellular' } });
  expect(own.plan(FREE).bytes).toBe(2_000_000);
  vi.stubGlobal('navigator', { connection: { type: 'wifi' } });
  vi.setSystemTime(Date.now() - HOUR_MS);
  expect(own.plan(FREE).bytes).toBe(2_000_000);
});

test('one that was too slow is forgotten, but its bytes count', () => {
  const own = memory();
  own.plan(FREE);
  own.take(report({ tested_bytes: 4_000, rates: { ...RATES, up_mbit: 0.1 } }));
  expect(own.bytes).toBe(4_000);
  expect(memory().plan(FREE)).toEqual({ ...NO_TEST, bytes: 2_000_000 });
});

test('bytes are those of one day, of all runs together', () => {
  const own = memory();
  own.plan(FREE);
  own.take(report({ tested_bytes: 4_000 }));
  own.plan(FREE);
  own.take(report({ tested_bytes: 3_000 }));
  expect(own.bytes).toBe(7_000);
  day = '2026-05-02';
  expect(own.bytes).toBe(0);
  own.take(report({ tested_bytes: 3_500 }));
  expect(memory().bytes).toBe(500);
});

test('another network is tested anew, if the last test was an hour ago', () => {
  const own = memory();
  own.plan(FREE);
  own.take(report({ tested_bytes: 4_000, rates: RATES }));
  vi.setSystemTime(Date.now() + HOUR_MS - 1_000);
  expect(own.again(FREE)).toBeNull();
  vi.setSystemTime(Date.now() + 1_000);
  expect(own.again(FREE)).toEqual({ ...NO_TEST, bytes: 2_000_000 });
  expect(own.again(FREE)).toBeNull();
  // What the old network brought may still be told once.
  expect(own.take(report({ tested_bytes: 4_000, rates: RATES }))).toBe(false);
  expect(own.take(report({ tested_bytes: 4_000 }))).toBe(false);
  expect(own.take(report({ tested_bytes: 7_000, rates: { ...RATES, down_mbit: 9 } }))).toBe(true);
  expect(own.bytes).toBe(7_000);
  const later = memory();
  expect(later.plan(FREE).rates).toEqual({ ...RATES, down_mbit: 9 });
  expect(later.again(FREE)).toBeNull();
  vi.setSystemTime(Date.now() + HOUR_MS);
  expect(later.again({ ...FREE, left_bytes: 1_000 })).toEqual({ ...NO_TEST, untested: 'limits' });
});

test('where the limits leave no room, that is why nothing is known', () => {
  expect(memory().plan({ ...FREE, left_bytes: 1_000 })).toEqual({ ...NO_TEST, untested: 'limits' });
  expect(memory().plan({ ...FREE, isMetered: true }).bytes).toBe(131_072);
});

test('after an exit that did not let go there is no other test on this page', () => {
  const own = memory();
  own.plan(FREE);
  own.giveUp();
  expect(own.plan(FREE)).toEqual({ ...NO_TEST, untested: 'silent' });
});

test.each([['}{'], ['null'], ['5'], ['{"day":5,"bytes":"9","at_s":{},"rates":[]}'], ['{"bytes":-5}']])(
  'what a script of the site left there (%s) counts as nothing',
  (text) => {
    stored.set('speed', text);
    const own = memory();
    expect(own.bytes).toBe(0);
    expect(own.plan(FREE)).toEqual({ ...NO_TEST, bytes: 2_000_000 });
  },
);
