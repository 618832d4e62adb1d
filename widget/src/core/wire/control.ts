/** What a relay and its two sides say about a link, as text beside the link's own bytes
 * (`passerelle/wire/control.py`). */

import * as description from './description';
import type { Description } from './description';
import { PeerError } from '../errors';
import { RESEND_GAPS, SIGNAL_MESSAGE_BYTES, TICKET_BYTES } from '../limits';
import * as shape from './checks';

/** This link will close within two seconds: move off it now. */
export const DRAIN = '{"type":"drain"}';

/** A client wants one more link through this volunteer, to the same exit. */
export interface Lane {
  readonly type: 'lane';
  /** The client's number for it. */
  readonly lane: number;
  readonly ticket: string;
  readonly description: Description;
}

/** On a media link: the client has every downstream message before this one. */
export interface Got {
  readonly type: 'got';
  readonly next: number;
}

/** On a media link: the client misses messages that retransmitted packets did not bring. */
export interface Resend {
  readonly type: 'resend';
  /** First and end, the end exclusive; numbers wrap at 2³². */
  readonly gaps: readonly (readonly [first: number, end: number])[];
}

export type ClientToRelay = Lane | Got | Resend;

export type RelayToClient =
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

/** Parse what a side says; null when it means nothing to a relay. Throws PeerError. */
export function decode(text: string): ClientToRelay | null {
  if (text.length > SIGNAL_MESSAGE_BYTES) throw new PeerError('limit', 'a large control message');
  const given = shape.parse(text);
  switch (given.get('type')) {
    case 'lane':
      return lane(given);
    case 'got':
      return Object.freeze({ type: 'got', next: number(given.get('next')) });
    case 'resend':
      return Object.freeze({
        type: 'resend',
        gaps: shape.list(given.get('gaps'), 1, RESEND_GAPS, (gap) => {
          const [first, end] = shape.list(gap, 2, 2, number);
          return [first as number, end as number] as const;
        }),
      });
    default:
      return null;
  }
}

const number = (value: unknown): number => shape.integer(value, 0, 2 ** 32 - 1);

function lane(given: shape.Fields): Lane {
  return Object.freeze({
    type: 'lane',
    lane: shape.integer(given.get('lane'), 0, 2 ** 31 - 1),
    ticket: shape.text(given.get('ticket'), 0, TICKET_BYTES),
    description: description.read(given.get('description')),
  });
}
