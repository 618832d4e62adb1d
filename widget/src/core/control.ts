/** What a relay says about a link, as text beside the link's own bytes
 * (`passerelle/wire/control.py`). */

import { PeerError } from './fault';
import { SIGNAL_MESSAGE_BYTES } from './limits';
import * as shape from './shape';

/** This link will close within two seconds: move off it now. */
export const DRAIN = '{"type":"drain"}';

/** Check a control message from a peer; none means anything to a relay yet. Throws PeerError. */
export function check(text: string): void {
  if (text.length > SIGNAL_MESSAGE_BYTES) throw new PeerError('limit', 'a large control message');
  shape.parse(text);
}
