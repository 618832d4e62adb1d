/** SDP for this browser's own WebRTC stack: made from a description with a fixed template, and read back
 * into a description (RFC 8841, RFC 8839).
 *
 * A media link has one video, from volunteer to client, bundled with the DataChannel.
 */

import { CANDIDATES, LINK_MESSAGE_BYTES } from '../limits';
import { encode } from './base64';
import {
  canonical,
  MEDIA_VERSION,
  MESSAGE_NUMBER_BYTES,
  read,
  type Candidate,
  type Description,
} from './description';

const HOST_PRIORITY = 2130706431;
const REFLEXIVE_PRIORITY = 1694498815;

/** Return the SDP for `description`. */
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
    // A browser refuses to send a larger message than the other side says it takes.
    `a=max-message-size:${LINK_MESSAGE_BYTES + (description.media ? MESSAGE_NUMBER_BYTES : 0)}`,
    ...description.candidates.map(candidateLine),
    ...(description.media ? videoLines(description, transport) : []),
  ];
  return `${lines.join('\r\n')}\r\n`;
}

/** Return the section of the video. The client offers, and only receives. */
function videoLines({ setup }: Description, transport: readonly string[]): string[] {
  return [
    'm=video 9 UDP/TLS/RTP/SAVPF 97 98',
    'c=IN IP4 0.0.0.0',
    'a=mid:1',
    ...transport,
    setup === 'actpass' ? 'a=recvonly' : 'a=sendonly',
    'a=rtcp-mux',
    'a=rtcp-rsize',
    // The client measures queueing delay with this extension. Transport-wide feedback is left out,
    // because a browser that has it chooses the rate by itself.
    'a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
    'a=rtpmap:97 VP8/90000',
    'a=rtcp-fb:97 nack',
    'a=rtcp-fb:97 goog-remb',
    // With a high start rate Chromium probes at once, and its padding is too much for a slow path.
    'a=fmtp:97 x-google-start-bitrate=1000;x-google-max-bitrate=400000',
    'a=rtpmap:98 rtx/90000',
    'a=fmtp:98 apt=97',
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
 * without it. Throws PeerError when a field is missing.
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
    // A refused video has the port 0, or the direction `inactive`.
    ...(/^m=video [1-9][^]*^a=(send|recv)only\r?$/m.test(sdp) && { media: MEDIA_VERSION }),
  });
}
