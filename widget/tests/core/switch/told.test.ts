import { expect, test } from 'vitest';
import { SLOTS } from '../../../src/core/limits';
import { INITIAL, PHASES } from '../../../src/core/switch/store';
import { readTold } from '../../../src/core/switch/told';

const HELPING = {
  ...INITIAL.snapshot,
  phase: 'helping',
  people: 2,
  crossing: ['IR', null],
  country: 'FR',
  retry_s: 4.5,
  reason: 'broker_full',
  paused: 'battery',
  reach: 'some',
  demand: 'many',
  failed: 3,
  helped_at_s: 1_700_000_000,
  waits_since_s: 1_700_000_100,
  rates: { down_mbit: 50, up_mbit: 5, isSmall: true },
  untested: 'silent',
};

test('what a tab shows is read as it is, and comes from elsewhere', () => {
  expect(readTold(HELPING)).toEqual({ ...HELPING, elsewhere: true });
  for (const phase of PHASES) expect(readTold({ ...HELPING, phase })?.phase).toBe(phase);
});

test.each([
  ['nothing', undefined],
  ['null', null],
  ['text', 'helping'],
  ['a list', []],
  ['no phase', { ...HELPING, phase: undefined }],
  ['another phase', { ...HELPING, phase: 'toString' }],
  ['people that are no number', { ...HELPING, people: '2' }],
  ['fewer than no people', { ...HELPING, people: -1 }],
  ['too many people', { ...HELPING, people: SLOTS + 1 }],
  ['people without number', { ...HELPING, people: NaN }],
  ['no list of countries', { ...HELPING, crossing: undefined }],
  ['what looks like a list', { ...HELPING, crossing: { length: 1, join: 1 } }],
  ['300,000 countries', { ...HELPING, crossing: Array(300_000).fill('IR') }],
])('%s is no snapshot', (_name, given) => {
  expect(readTold(given)).toBe(null);
});

test('a part that makes no sense is left out', () => {
  const given = {
    ...HELPING,
    crossing: ['IR', '<b>', 5, , 'iran'],
    country: ['FR'],
    reason: 'constructor',
    paused: {},
    retry_s: Infinity,
    reach: 'all',
    demand: ['many'],
    failed: -1,
    helped_at_s: NaN,
    waits_since_s: '5',
    rates: { down_mbit: 'a', up_mbit: 1 },
    untested: 'constructor',
    totals: null,
    today: { people: '1', bytes: -1, seconds: 1e300 },
    ever: { people: 1, bytes: NaN, seconds: 2 },
    more: 1,
  };
  const nothing = { people: 0, bytes: 0, seconds: 0 };
  expect(readTold(given)).toEqual({
    phase: 'helping',
    people: 2,
    crossing: ['IR', null, null, null, null],
    country: null,
    reason: null,
    paused: null,
    retry_s: null,
    elsewhere: true,
    reach: null,
    demand: null,
    failed: 0,
    helped_at_s: null,
    waits_since_s: null,
    rates: null,
    untested: null,
    totals: nothing,
    today: nothing,
    ever: { people: 1, bytes: 0, seconds: 2 },
  });
});
