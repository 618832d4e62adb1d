/** What a relay and its two sides say about a link, as text beside the link's own bytes
 * (`passerelle/wire/control.py`). */

import * as description from './description';
import type { Description } from './description';
import { PeerError } from './fault';
import { SIGNAL_MESSAGE_BYTES, TICKET_BYTES } from './limits';
import * as shape from './shape';

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

export type FromRelay =
  | { readonly type: 'lane_answer'; readonly lane: number; readonly description: Description }
  | { readonly type: 'lane_refused'; readonly lane: number };

/** Return `message` as JSON text. */
export function encode(message: FromRelay): string {
  return JSON.stringify(
    message.type === 'lane_answer'
      ? { ...message, description: description.write(message.description) }
      : message,
  );
}

/** Parse what a side says; null when it means nothing to a relay. Throws PeerError. */
export function decode(text: string): Lane | null {
  if (text.length > SIGNAL_MESSAGE_BYTES) throw new PeerError('limit', 'a large control message');
  const given = shape.parse(text);
  if (given.get('type') !== 'lane') return null;
  return Object.freeze({
    type: 'lane',
    lane: shape.whole(given.get('lane'), 0, 2 ** 31 - 1),
    ticket: shape.text(given.get('ticket'), 0, TICKET_BYTES),
    description: description.read(given.get('description')),
  });
}
