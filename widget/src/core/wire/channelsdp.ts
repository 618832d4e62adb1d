/** SDP of a link that is a DataChannel and nothing else: made from a description with a fixed template, and read back
 * into a description (RFC 8841, RFC 8839). `sdp.ts` adds media to it.
 */

import { CANDIDATES, LINK_MESSAGE_BYTES } from '../limits';
import { encode } from './base64';
import { canonical, MESSAGE_NUMBER_BYTES, read, type Candidate, type Description } from './description';

const HOST_PRIORITY = 2130706431;
const REFLEXIVE_PRIORITY = 1694498815;

/** Lines of SDP, the first of which begins with `m=`. */
export type Section = readonly string[];

/** Return the SDP for a `description` without media. */
export const toChannelSdp = (description: Description): string => written([channelSection(description, 0)], description);

/** Return the SDP of `sections`, in the order in which the other side's stack has them. */
export function written([first = [], ...others]: readonly Section[], { candidates }: Description): string {
  // The first section's transport is that of all.
  const sections = [[...first, ...candidates.map(candidateLine)], ...others];
  const lines = [
    'v=0',
    'o=- 1 1 IN IP4 0.0.0.0',
    's=-',
    't=0 0',
    `a=group:BUNDLE ${[...sections.keys()].join(' ')}`,
    ...sections.flat(),
  ];
  return `${lines.join('\r\n')}\r\n`;
}

/** Return the section of the DataChannel. */
export const channelSection = (description: Description, mid: number): Section => [
  'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
  'c=IN IP4 0.0.0.0',
  `a=mid:${mid}`,
  ...transportLines(description),
  'a=sctp-port:5000',
  // A browser refuses to send a larger message than the other side says it takes.
  `a=max-message-size:${LINK_MESSAGE_BYTES + (description.media ? MESSAGE_NUMBER_BYTES : 0)}`,
];

/** Return the lines of the transport, which each section has. */
export function transportLines({ ufrag, pwd, fingerprint, setup }: Description): readonly string[] {
  const hex = Array.from(fingerprint, (byte) => byte.toString(16).padStart(2, '0'));
  return [
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${pwd}`,
    `a=fingerprint:sha-256 ${hex.join(':').toUpperCase()}`,
    `a=setup:${setup}`,
  ];
}

function candidateLine([kind, ip, port]: Candidate, index: number): string {
  const head = `a=candidate:${index + 1} 1 udp`;
  if (kind === 'host') return `${head} ${HOST_PRIORITY - index} ${ip} ${port} typ host`;
  // The related address is private and helps nobody, and RFC 8839 §5.1 allows 0.0.0.0 9 for it.
  return `${head} ${REFLEXIVE_PRIORITY - index} ${ip} ${port} typ srflx raddr 0.0.0.0 rport 9`;
}

const CANDIDATE = /^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ (host|srflx)\b/gim;

/** Read a description from the SDP that *our own* WebRTC stack made.
 *
 * Candidates that are not plain UDP addresses (mDNS names, TCP, relayed) are left out. A `.local` name
 * costs the other side a second, and the other side finds this browser as a peer-reflexive candidate
 * without it. `media` is added to the description. Throws PeerError when a field is missing.
 */
export function fromOwnChannelSdp(sdp: string, media: Partial<Description> = {}): Description {
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
    ...media,
  });
}
