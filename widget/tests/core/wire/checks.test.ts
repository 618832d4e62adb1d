import { describe, expect, test } from 'vitest';
import { PeerError } from '../../../src/core/errors';
import * as checks from '../../../src/core/wire/checks';

test('an object is read through its own keys only', () => {
  const given = checks.parse('{"__proto__":1,"toString":2}');
  expect([given.get('__proto__'), given.get('toString'), given.get('valueOf')]).toEqual([1, 2, undefined]);
});

test.each(['', 'nul', 'null', '[]', '"x"', '5'])('%j is no object', (text) => {
  expect(() => checks.parse(text)).toThrow(PeerError);
});

test('keys that are not named are refused', () => {
  const given = checks.parse('{"a":1,"b":2}');
  expect(() => checks.onlyKeys(given, 'a', 'b', 'c')).not.toThrow();
  expect(() => checks.onlyKeys(given, 'a')).toThrow(PeerError);
});

test('a text is measured in code points', () => {
  expect(checks.text('🌉🌉', 2, 2)).toBe('🌉🌉');
  for (const [value, min, max] of [['🌉🌉', 3, 9], ['abc', 0, 2], [5, 0, 9], [null, 0, 9]] as const) {
    expect(() => checks.text(value, min, max)).toThrow(PeerError);
  }
  expect(() => checks.text('abc', 0, 9, /^[0-9]*$/)).toThrow(PeerError);
});

describe('numbers', () => {
  test('are taken up to both bounds', () => {
    expect([checks.integer(0, 0, 5), checks.integer(5, 0, 5)]).toEqual([0, 5]);
    expect([checks.number(0, 0, 0.5), checks.number(0.5, 0, 0.5)]).toEqual([0, 0.5]);
  });

  test.each([-1, 6, 1.5, 2 ** 53, NaN, '5', null, true])('%j is no integer from 0 to 5', (value) => {
    expect(() => checks.integer(value, 0, 5)).toThrow(PeerError);
  });

  test.each([-0.1, 5.1, Infinity, NaN, '5', null])('%j is no number from 0 to 5', (value) => {
    expect(() => checks.number(value, 0, 5)).toThrow(PeerError);
  });
});

test('a list has the right length, is frozen, and has each item read', () => {
  const list = checks.list(['1', '2'], 1, 2, (item) => Number(item));
  expect(list).toEqual([1, 2]);
  expect(Object.isFrozen(list)).toBe(true);
  for (const value of [[], [1, 2, 3], { length: 1 }, 'x']) {
    expect(() => checks.list(value, 1, 2, (item) => item)).toThrow(PeerError);
  }
});

test('other words and other types are refused', () => {
  expect(checks.oneOf('a', ['a', 'b'])).toBe('a');
  expect(() => checks.oneOf('c', ['a', 'b'])).toThrow(PeerError);
  expect(checks.boolean(false)).toBe(false);
  for (const value of [0, 'true', null, undefined]) expect(() => checks.boolean(value)).toThrow(PeerError);
});
