import { describe, expect, test } from 'vitest';
import { pauseReason, readSettings, type Conditions } from '../../../src/core/switch/settings';

const of = (values: Record<string, string>) => (name: string) => values[name];
const NOW: Conditions = { minute: 12 * 60, battery: false, metered: false, hidden: false, bytes: 0 };

describe('settings', () => {
  test('have sensible values where nothing is given', () => {
    expect(readSettings(of({}))).toEqual({
      people: 5,
      lanes: 4,
      mbit: Infinity,
      megabytes: Infinity,
      hours: null,
      battery: false,
      metered: false,
      background: true,
      family: '',
    });
  });

  test('name a family only as the visitor does: a page tells its tag to everybody', () => {
    const family = 'A'.repeat(22);
    expect(readSettings(of({ family })).family).toBe(family);
    expect(readSettings(of({}), of({ family })).family).toBe('');
  });

  test('are the first that makes sense, of all that are given', () => {
    const page = of({ people: '3', mbit: '10', hours: '22:00-06:30', battery: 'run' });
    const visitor = of({ people: '<b>', mbit: 'none', battery: 'pause' });
    expect(readSettings(visitor, page)).toMatchObject({
      people: 3,
      mbit: Infinity,
      hours: { from: 1320, to: 390 },
      battery: false,
    });
  });

  test('stay within what the network can do', () => {
    expect(readSettings(of({ people: '999', lanes: '9', mbit: '0.001', megabytes: '-5' }))).toMatchObject({
      people: 64,
      lanes: 4,
      mbit: 0.1,
      megabytes: 1,
    });
  });

  test.each(['', '0', '-1', 'x', 'NaN', '<script>', '1e'.repeat(5000)])('%s is no number', (text) => {
    expect(readSettings(of({ people: text })).people).toBeGreaterThanOrEqual(1);
    expect(readSettings(of({ mbit: text })).mbit).toBeGreaterThan(0);
  });

  test.each(['25:00-06:00', '22:00', '10-12', '22:61-06:00', 'toString', '22:00-06:00x'])(
    '%s is no time of day',
    (text) => expect(readSettings(of({ hours: text })).hours).toBe(null),
  );

  test('always takes away what a page set', () => {
    expect(readSettings(of({ hours: 'always' }), of({ hours: '1:00-2:00' })).hours).toBe(null);
  });
});

describe('a reason to pause', () => {
  test('is none where nothing is limited', () => {
    expect(pauseReason(readSettings(of({})), { ...NOW, bytes: 1e15 })).toBe(null);
  });

  test.each([
    ['quota', { megabytes: '10' }, { bytes: 1e7 }],
    ['hours', { hours: '13:00-14:00' }, {}],
    ['battery', {}, { battery: true }],
    ['metered', {}, { metered: true }],
    ['hidden', { background: 'pause' }, { hidden: true }],
  ])('is %s, and not where that is allowed', (why, values, now) => {
    expect(pauseReason(readSettings(of(values as Record<string, string>)), { ...NOW, ...now })).toBe(why);
    const all = readSettings(
      of({ megabytes: 'none', hours: 'always', battery: 'run', metered: 'run', background: 'run' }),
    );
    expect(pauseReason(all, { ...NOW, ...now })).toBe(null);
  });

  test('follows the clock, over midnight too', () => {
    const at = (hours: string, time: number) =>
      pauseReason(readSettings(of({ hours })), { ...NOW, minute: time * 60 });
    expect([9, 10, 11, 12].map((hour) => at('10:00-12:00', hour))).toEqual(['hours', null, null, 'hours']);
    expect([21, 22, 0, 5, 6].map((hour) => at('22:00-06:00', hour))).toEqual([
      'hours',
      null,
      null,
      null,
      'hours',
    ]);
    // From one time to the same is the whole day, as for `passerelle volunteer`: a switch that is on helps at some hour.
    expect([7, 8, 9].map((hour) => at('08:00-08:00', hour))).toEqual([null, null, null]);
  });
});
