/** Session descriptions: the few checked fields that two peers exchange instead of SDP.
 *
 * `sdp.ts` turns them into SDP. No SDP text of another machine ever reaches this browser's WebRTC stack.
 */

import { PeerError } from '../errors';
import { CANDIDATES, EXTENSIONS } from '../limits';
import { decode, encode } from './base64';
import * as checks from './checks';

/** Both peers create the link's DataChannel as negotiated, with this id. */
export const DATA_CHANNEL_ID = 0;

/** The newest format of a media link's frames that this relay can make: 1 for a client with our own stack,
 * 2 for a browser's stack at both ends. */
export const MEDIA_VERSION = 2;
/** The format of a link that looks like a call, with sound. */
export const CALL_MEDIA_VERSION = 3;
/** Size of the number in front of each binary message that a media link sends over its DataChannel. */
export const MESSAGE_NUMBER_BYTES = 4;
/** Width and height of the pictures of a media link's video, in pixels. Page and Worker both make pictures. */
export const PICTURE_SIDE = 64;

const SETUPS = ['actpass', 'active', 'passive'] as const;
const KINDS = ['host', 'srflx'] as const;
const ICE_TEXT = /^[A-Za-z0-9+/]+$/;

/** An ICE candidate: its kind, its canonical IP address, and its UDP port. */
export type Candidate = readonly [kind: (typeof KINDS)[number], ip: string, port: number];

export interface Description {
  readonly ufrag: string;
  readonly pwd: string;
  /** SHA-256 of the DTLS certificate, 32 bytes. */
  readonly fingerprint: Uint8Array;
  readonly setup: (typeof SETUPS)[number];
  readonly candidates: readonly Candidate[];
  /** The format of a media link's frames. An offer has the newest format that the client knows, an
   * answer has the one in use; a link without video has none. */
  readonly media?: number;
  /** What of a call this browser refused: the numbers of the video's header extensions, and 0 for the extended
   * reports. Only an answer has it. */
  readonly lacks?: readonly number[];
}

/** Check a description that came as JSON. Throws PeerError. */
export function read(value: unknown): Description {
  const given = checks.fields(value);
  checks.onlyKeys(given, 'ufrag', 'pwd', 'fingerprint', 'setup', 'candidates', 'media', 'lacks');
  const fingerprint = decode(checks.text(given.get('fingerprint'), 44, 44));
  if (fingerprint?.length !== 32) throw new PeerError('malformed', 'a bad fingerprint');
  return Object.freeze({
    ufrag: checks.text(given.get('ufrag'), 4, 64, ICE_TEXT),
    pwd: checks.text(given.get('pwd'), 22, 64, ICE_TEXT),
    fingerprint,
    setup: checks.oneOf(given.get('setup'), SETUPS),
    candidates: given.has('candidates')
      ? checks.list(given.get('candidates'), 0, CANDIDATES, readCandidate)
      : [],
    ...(given.has('lacks') && {
      lacks: checks.list(given.get('lacks'), 0, EXTENSIONS, (item) => checks.integer(item, 0, EXTENSIONS)),
    }),
    ...(given.has('media') && { media: checks.integer(given.get('media'), 1, 255) }),
  });
}

function readCandidate(value: unknown): Candidate {
  const [kind, ip, port] = checks.list(value, 3, 3, (item) => item);
  const address = checks.text(ip, 2, 45);
  if (canonical(address) !== address) throw new PeerError('malformed', 'a bad address');
  return Object.freeze([checks.oneOf(kind, KINDS), address, checks.integer(port, 1, 65535)] as const);
}

/** Return the IP address `text` in its canonical form (RFC 5952 for IPv6); null for any other text.
 *
 * Two kinds of IPv6 address are refused as well: those with a zone, because a zone may hold any
 * character, and IPv4 addresses mapped into IPv6.
 */
export function canonical(text: string): string | null {
  if (/^[0-9.]{7,15}$/.test(text)) {
    const parts = text.split('.');
    const isByte = (part: string) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256;
    return parts.length === 4 && parts.every(isByte) ? text : null;
  }
  if (!/^[0-9a-f:.]{2,45}$/i.test(text) || !text.includes(':')) return null;
  try {
    const ip = new URL(`http://[${text}]`).hostname.slice(1, -1);
    return /^::ffff:[0-9a-f]+:[0-9a-f]+$/.test(ip) ? null : ip;
  } catch {
    return null;
  }
}

/** Return `description` as an object for JSON. */
export function write(description: Description): object {
  return { ...description, fingerprint: encode(description.fingerprint) };
}
