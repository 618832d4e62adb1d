import { expect, test } from 'vitest';
import { RATE_TEST_BYTES } from '../../../src/core/limits';
import { bytesEachWay, isSmallTest, measured, readRates, speedOf } from '../../../src/core/switch/speed';

const FREE = { day_bytes: Infinity, left_bytes: Infinity, mbit: Infinity, isMetered: false };

test.each([
  [50, 3, 'video'],
  [2.9, 50, 'pages'],
  [0.2, 0.2, 'pages'],
  [100, 0.1, 'slow'],
  [0.01, 100, 'slow'],
])('%s down and %s up is good for %s', (down_mbit, up_mbit, word) => {
  expect(speedOf({ down_mbit, up_mbit, isSmall: false })).toBe(word);
});

test('a test keeps to what the visitor gives', () => {
  expect(bytesEachWay(FREE)).toBe(RATE_TEST_BYTES);
  expect(bytesEachWay({ ...FREE, day_bytes: 100e6 })).toBe(1e6);
  expect(bytesEachWay({ ...FREE, day_bytes: 100e6, left_bytes: 500_000 })).toBe(250_000);
  expect(bytesEachWay({ ...FREE, mbit: 4 })).toBe(500_000);
  expect(bytesEachWay({ ...FREE, isMetered: true })).toBe(131_072);
  expect(isSmallTest(131_072)).toBe(true);
  expect(isSmallTest(RATE_TEST_BYTES)).toBe(false);
  expect(bytesEachWay({ ...FREE, day_bytes: 1e6 })).toBe(0);
  expect(bytesEachWay({ ...FREE, left_bytes: 0 })).toBe(0);
  expect(bytesEachWay({ ...FREE, mbit: 0.1 })).toBe(0);
});

test('rates are told with one digit, and none beyond what a test can tell', () => {
  expect(measured(47.3, 0.1234, false)).toEqual({ down_mbit: 50, up_mbit: 0.1, isSmall: false });
  expect(measured(1e6, 96, true)).toEqual({ down_mbit: 1000, up_mbit: 100, isSmall: true });
});

test.each([
  [null],
  ['fast'],
  [{}],
  [{ down_mbit: 5 }],
  [{ down_mbit: '5', up_mbit: 5 }],
  [{ down_mbit: 5, up_mbit: -1 }],
  [{ down_mbit: NaN, up_mbit: 5 }],
  [{ down_mbit: 5, up_mbit: 1e9 }],
])('%j are no rates', (given) => {
  expect(readRates(given)).toBe(null);
});

test('rates are read as they are', () => {
  expect(readRates({ down_mbit: 5, up_mbit: 1, isSmall: true, more: 1 })).toEqual(measured(5, 1, true));
  expect(readRates({ down_mbit: 5, up_mbit: 1 })).toEqual(measured(5, 1, false));
  expect(readRates({ down_mbit: 0.1, up_mbit: null })).toEqual(measured(0.1, null, false));
});
