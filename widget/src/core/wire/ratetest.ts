/** What is said while this device's rate is tested: JSON text between relay and exit, beside bytes without a meaning. */

import { PeerError } from '../errors';
import { RATE_TEST_BYTES, RATE_TEST_TEXT_CHARS } from '../limits';
import * as checks from './checks';

/** Return the text that lets the exit send so many bytes. */
export const down = (bytes: number): string => JSON.stringify({ type: 'down', bytes });

/** Return the text that says how many bytes have arrived, all of them together. */
export const got = (bytes: number): string => JSON.stringify({ type: 'got', bytes });

/** Return how many bytes the exit says it got. Throws PeerError for any other text. */
export function readGot(text: string): number {
  if (text.length > RATE_TEST_TEXT_CHARS) throw new PeerError('limit', 'a large message of a test');
  const given = checks.parse(text);
  checks.onlyKeys(given, 'type', 'bytes');
  checks.oneOf(given.get('type'), ['got']);
  return checks.integer(given.get('bytes'), 0, RATE_TEST_BYTES);
}
