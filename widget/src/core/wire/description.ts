/** Compact session descriptions, and the strict SDP template they are rebuilt with.
 *
 * Where both sides do media links there is one video, from volunteer to client, bundled with the
 * DataChannel. The mirror of `passerelle/wire/description.py`: what peers exchange is a few checked fields, so
 * no foreign SDP text ever reaches this browser's WebRTC stack (RFC 8841, RFC 8839).
 */

import { decode, encode } from './base64';
import { PeerError } from '../errors';
import { CANDIDATES, LINK_MESSAGE_BYTES } from '../limits';
import { MESSAGE_NUMBER_BYTES } from '../traffic/framepacker';
import * as shape from './checks';

/** Both sides create the link's DataChannel as negotiated, with this id. */
export const DATA_CHANNEL_ID = 0;

/** Format of the frames of a media link (`core/reel.ts`). */
export const MEDIA_VERSION = 1;

const SETUPS = ['actpass', 'active', 'passive'] as const;
const KINDS = ['host', 'srflx'] as const;
const ICE_TEXT = /^[A-Za-z0-9+/]+$/;
const HOST_PRIORITY = 2130706431;
const REFLEXIVE_PRIORITY = 1694498815;

/** Kind, canonical IP address, UDP port. */
export type Candidate = readonly [kind: (typeof KINDS)[number], ip: string, port: number];

export interface Description {
  readonly ufrag: string;
  readonly pwd: string;
  /** SHA-256 of the DTLS certificate, 32 bytes. */
  readonly fingerprint: Uint8Array;
  readonly setup: (typeof SETUPS)[number];
  readonly candidates: readonly Candidate[];
  /** Format of a media link's frames: the newest one known to who offers, the one used in an
   * answer; absent without a video. */
  readonly media?: number;
}

/** Check a description out of JSON. Throws PeerError. */
export function read(value: unknown): Description {
  const given = shape.fields(value);
  shape.onlyKeys(given, 'ufrag', 'pwd', 'fingerprint', 'setup', 'candidates', 'media');
  const fingerprint = decode(shape.text(given.get('fingerprint'), 44, 44));
  if (fingerprint?.length !== 32) throw new PeerError('malformed', 'a bad fingerprint');
  return Object.freeze({
    ufrag: shape.text(given.get('ufrag'), 4, 64, ICE_TEXT),
    pwd: shape.text(given.get('pwd'), 22, 64, ICE_TEXT),
    fingerprint,
    setup: shape.oneOf(given.get('setup'), SETUPS),
    candidates: given.has('candidates')
      ? shape.list(given.get('candidates'), 0, CANDIDATES, readCandidate)
      : [],
    ...(given.has('media') && { media: shape.integer(given.get('media'), 1, 255) }),
  });
}

function readCandidate(value: unknown): Candidate {
  const [kind, ip, port] = shape.list(value, 3, 3, (item) => item);
  const address = shape.text(ip, 2, 45);
  if (canonical(address) !== address) throw new PeerError('malformed', 'a bad address');
  return Object.freeze([shape.oneOf(kind, KINDS), address, shape.integer(port, 1, 65535)] as const);
}

/** Return the IP address `text` in its canonical form (RFC 5952 for IPv6), or null.
 *
 * An IPv6 address with a zone, which may hold any character, or a mapped one is none.
 */
export function canonical(text: string): string | null {
  if (/^[0-9.]{7,15}$/.test(text)) {
    const parts = text.split('.');
    const right = (part: string) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256;
    return parts.length === 4 && parts.every(right) ? text : null;
  }
  if (!/^[0-9a-f:.]{2,45}$/i.test(text) || !text.includes(':')) return null;
  try {
    const ip = new URL(`http://[${text}]`).hostname.slice(1, -1);
    return /^::ffff:[0-9a-f]+:[0-9a-f]+$/.test(ip) ? null : ip;
  } catch {
    return null;
  }
}

/** Return `description` as it travels. */
export function write(description: Description): object {
  return { ...description, fingerprint: encode(description.fingerprint) };
}

/** Return the SDP that a WebRTC stack takes for `description`. */
export function toSdp(description: Description): string {
  const hex = Array.from(description.fingerprint, (byte) => byte.toString(16).padStart(2, '0'));
  const transport = [
    `a=ice-ufrag:${description.ufrag}`,
    `a=ice-pwd:${description.pwd}`,
    `a=fingerprint:sha-256 ${hex.join(':').toUpperCase()}`,
    `a=setup:${description.setup}`,
  ];
  const lines = [
    'v=0',
    'o=- 1 1 IN IP4 0.0.0.0',
    's=-',
    't=0 0',
    description.media ? 'a=group:BUNDLE 0 1' : 'a=group:BUNDLE 0',
    'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
    'c=IN IP4 0.0.0.0',
    'a=mid:0',
    ...transport,
    'a=sctp-port:5000',
    // A browser refuses to send what is larger than the other side takes.
    `a=max-message-size:${LINK_MESSAGE_BYTES + (description.media ? MESSAGE_NUMBER_BYTES : 0)}`,
    ...description.candidates.map(candidateLine),
    ...(description.media ? videoLines(description, transport) : []),
  ];
  return `${lines.join('\r\n')}\r\n`;
}

/** One video from volunteer to client: the client offers and receives. */
function videoLines({ setup }: Description, transport: readonly string[]): string[] {
  return [
    'm=video 9 UDP/TLS/RTP/SAVPF 97 98',
    'c=IN IP4 0.0.0.0',
    'a=mid:1',
    ...transport,
    setup === 'actpass' ? 'a=recvonly' : 'a=sendonly',
    'a=rtcp-mux',
    'a=rtcp-rsize',
    // Queueing delay is measured from it. No transport-wide feedback: a browser would pace by that.
    'a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
    'a=rtpmap:97 VP8/90000',
    'a=rtcp-fb:97 nack',
    'a=rtcp-fb:97 goog-remb',
    // With a high start rate Chromium probes at once, with more padding than a slow path bears.
    'a=fmtp:97 x-google-start-bitrate=1000;x-google-max-bitrate=400000',
    'a=rtpmap:98 rtx/90000',
    'a=fmtp:98 apt=97',
  ];
}

function candidateLine([kind, ip, port]: Candidate, index: number): string {
  const head = `a=candidate:${index + 1} 1 udp`;
  if (kind === 'host') return `${head} ${HOST_PRIORITY - index} ${ip} ${port} typ host`;
  // The related address is a private one and helps nobody: RFC 8839 §5.1 allows 0.0.0.0 9.
  return `${head} ${REFLEXIVE_PRIORITY - index} ${ip} ${port} typ srflx raddr 0.0.0.0 rport 9`;
}

const CANDIDATE = /^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ (host|srflx)\b/gim;

/** Read a description out of the SDP that *our own* WebRTC stack made.
 *
 * Candidates that are not plain UDP addresses (mDNS names, TCP, relayed) are left out: a `.local`
 * name costs the far side a second, and this browser is found as a peer-reflexive candidate
 * anyway. Throws PeerError when something is missing.
 */
export function fromOwnSdp(sdp: string): Description {
  const attribute = (name: string) => new RegExp(`^a=${name}(\\S+)\\r?$`, 'm').exec(sdp)?.[1];
  const pairs = attribute('fingerprint:sha-256 ')?.split(':') ?? [];
  const bytes = Uint8Array.from(pairs, (pair) => Number.parseInt(pair, 16));
  const candidates = [];
  for (const [, address = '', port, kind = ''] of sdp.matchAll(CANDIDATE)) {
    const ip = canonical(address);
    if (ip !== null) candidates.push([kind.toLowerCase(), ip, Number(port)]);
  }
  return read({
    ufrag: attribute('ice-ufrag:'),
    pwd: attribute('ice-pwd:'),
    fingerprint: encode(bytes),
    setup: attribute('setup:'),
    candidates: candidates.slice(0, CANDIDATES),
    // A port of 0 would be a refusal, and so would `inactive`.
    ...(/^m=video [1-9][^]*^a=(send|recv)only\r?$/m.test(sdp) && { media: MEDIA_VERSION }),
  });
}
