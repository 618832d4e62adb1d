/** How fast this device's connection is, as a test of its rate shows: measured, and in a word.
 *
 * What a reader downloads comes here from the exit and goes out again, so the slower way counts. `core/speed.py` does
 * the same for the program without a screen.
 */

import { KIB, RATE_TEST_BYTES } from '../limits';

/** A film in a small window takes about so much. */
const VIDEO_MBIT = 3;
/** A story of 100 KB takes four seconds. Through less, readers give up. */
const PAGES_MBIT = 0.2;
/** No test of so few bytes tells more than that. */
const MOST_MBIT = 1000;
/** A test of less tells nothing. */
const LEAST_BYTES = 64 * KIB;
/** What a test moves each way where data is dear. */
const SMALL_BYTES = 128 * KIB;
const BYTES_PER_MBIT = 125_000;

export const SPEEDS = ['video', 'pages', 'slow'] as const;

/** What a connection is good for. One that is `slow` helps nobody. */
export type Speed = (typeof SPEEDS)[number];

/** What a test measured, in Mbit/s with one digit. */
export interface Rates {
  /** From the exit to here. */
  readonly down_mbit: number;
  /** Null where the other way is too slow already. */
  readonly up_mbit: number | null;
  /** Whether the test was a small one, because data is dear here. */
  readonly isSmall: boolean;
}

/** Return the rates that a test measured, in Mbit/s. */
export const measured = (down_mbit: number, up_mbit: number | null, isSmall: boolean): Rates =>
  Object.freeze({ down_mbit: oneDigit(down_mbit), up_mbit: up_mbit === null ? null : oneDigit(up_mbit), isSmall });

/** Return a positive rate with one significant digit: more would not be true tomorrow. */
const oneDigit = (mbit: number): number => Number(Math.min(MOST_MBIT, mbit).toPrecision(1));

/** Read rates, which may be anything; null for what is none. */
export function readRates(given: unknown): Rates | null {
  const { down_mbit, up_mbit, isSmall } = Object(given) as Record<keyof Rates, unknown>;
  if (!isRate(down_mbit) || (up_mbit !== null && !isRate(up_mbit))) return null;
  return Object.freeze({ down_mbit, up_mbit, isSmall: isSmall === true });
}

const isRate = (value: unknown): value is number =>
  typeof value === 'number' && value > 0 && value <= MOST_MBIT;

/** Return what a connection with these rates is good for. */
export function speedOf({ down_mbit, up_mbit }: Rates): Speed {
  const slower = Math.min(down_mbit, up_mbit ?? Infinity);
  if (slower >= VIDEO_MBIT) return 'video';
  return slower >= PAGES_MBIT ? 'pages' : 'slow';
}

/** What the visitor gives, as far as a test has to keep to it. */
export interface TestBounds {
  /** Bytes given in a day; Infinity for no limit. */
  readonly day_bytes: number;
  /** Bytes that are left of them. */
  readonly left_bytes: number;
  /** 10⁶ bits a second; Infinity for no limit. */
  readonly mbit: number;
  /** Whether the connection is metered, or the visitor asks to save data. */
  readonly isMetered: boolean;
}

/** Return how many bytes a test may move each way; 0 if the bounds leave no room for one.
 *
 * It takes a fiftieth of what is given in a day at most, and each way no more than a second of the rate that is given.
 */
export function bytesEachWay({ day_bytes, left_bytes, mbit, isMetered }: TestBounds): number {
  const most = Math.floor(
    Math.min(isMetered ? SMALL_BYTES : RATE_TEST_BYTES, day_bytes / 100, left_bytes / 2, mbit * BYTES_PER_MBIT),
  );
  return most >= LEAST_BYTES ? most : 0;
}

/** Whether a test that moves so many bytes each way is a small one. */
export const isSmallTest = (bytes: number): boolean => bytes <= SMALL_BYTES;
