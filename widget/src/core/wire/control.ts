/** Control messages: JSON text between a relay and one side of a link. The relay reads them itself and
 * never copies them to the other side, unlike the link's binary messages. */

import { PeerError } from '../errors';
import { RESEND_GAPS, SIGNAL_MESSAGE_BYTES, TICKET_BYTES } from '../limits';
import * as checks from './checks';
import * as description from './description';
import type { Description } from './description';

/** Tells both sides that this link closes within two seconds, and that they should stop using it now. */
export const DRAIN = '{"type":"drain"}';

/** The client asks for one more link through this volunteer, to the same exit. */
export interface Lane {
  readonly type: 'lane';
  /** The number that the client gave this lane. */
  readonly lane: number;
  readonly ticket: string;
  readonly description: Description;
}

/** The client of a media link has every downstream message before number `next`. */
export interface Got {
  readonly type: 'got';
  readonly next: number;
}

/** The client of a media link misses messages that retransmitted packets did not bring. */
export interface Resend {
  readonly type: 'resend';
  /** The gaps. `end` is the number after the last missing one. Numbers wrap at 2³². */
  readonly gaps: readonly (readonly [first: number, end: number])[];
}

/** What a client may ask of a relay. */
export type ClientToRelay = Lane | Got | Resend;

/** What a relay answers to a `Lane`. */
export type RelayToClient =
  | Got
  | Resend
  | { readonly type: 'lane_answer'; readonly lane: number; readonly description: Description }
  | { readonly type: 'lane_refused'; readonly lane: number };

/** Return `message` as JSON text. */
export function encode(message: RelayToClient): string {
  return JSON.stringify(
    message.type === 'lane_answer'
      ? { ...message, description: description.write(message.description) }
      : message,
  );
}

/** Parse a control message; null for a type that a relay does not know. Throws PeerError. */
export function decode(text: string): ClientToRelay | null {
  if (text.length > SIGNAL_MESSAGE_BYTES) throw new PeerError('limit', 'a large control message');
  const given = checks.parse(text);
  switch (given.get('type')) {
    case 'lane':
      return lane(given);
    case 'got':
      return Object.freeze({ type: 'got', next: number(given.get('next')) });
    case 'resend':
      return Object.freeze({
        type: 'resend',
        gaps: checks.list(given.get('gaps'), 1, RESEND_GAPS, (gap) => {
          const [first, end] = checks.list(gap, 2, 2, number);
          return [first as number, end as number] as const;
        }),
      });
    default:
      return null;
  }
}

const number = (value: unknown): number => checks.integer(value, 0, 2 ** 32 - 1);

function lane(given: checks.Fields): Lane {
  return Object.freeze({
    type: 'lane',
    lane: checks.integer(given.get('lane'), 0, 2 ** 31 - 1),
    ticket: checks.text(given.get('ticket'), 0, TICKET_BYTES),
    description: description.read(given.get('description')),
  });
}
