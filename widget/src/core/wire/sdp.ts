/** SDP for this browser's own WebRTC stack: made from a description with a fixed template, and read back
 * into a description (RFC 8841, RFC 8839).
 *
 * A media link has one video bundled with the DataChannel: from volunteer to client, or both ways.
 */

import { CANDIDATES, LINK_MESSAGE_BYTES } from '../limits';
import { encode } from './base64';
import {
  CALL_MEDIA_VERSION,
  canonical,
  MESSAGE_NUMBER_BYTES,
  read,
  type Candidate,
  type Description,
} from './description';

const HOST_PRIORITY = 2130706431;
const REFLEXIVE_PRIORITY = 1694498815;

/** Return the SDP for `description`. */
export function toSdp(description: Description): string {
  const { media, setup, candidates, lacks = [] } = description;
  const hex = Array.from(description.fingerprint, (byte) => byte.toString(16).padStart(2, '0'));
  const transport = [
    `a=ice-ufrag:${description.ufrag}`,
    `a=ice-pwd:${description.pwd}`,
    `a=fingerprint:sha-256 ${hex.join(':').toUpperCase()}`,
    `a=setup:${setup}`,
  ];
  const channel = (mid: number) => [
    'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
    'c=IN IP4 0.0.0.0',
    `a=mid:${mid}`,
    ...transport,
    'a=sctp-port:5000',
    // A browser refuses to send a larger message than the other side says it takes.
    `a=max-message-size:${LINK_MESSAGE_BYTES + (media ? MESSAGE_NUMBER_BYTES : 0)}`,
  ];
  const section = (kind: string, mid: number, payloads: string, ...lines: string[]) => [
    `m=${kind} 9 UDP/TLS/RTP/SAVPF ${payloads}`,
    'c=IN IP4 0.0.0.0',
    `a=mid:${mid}`,
    ...transport,
    ...lines,
  ];
  const both = 'a=sendrecv';
  const sections = [channel(0)];
  if (media === CALL_MEDIA_VERSION) {
    const lines = CALL.filter((line) => !lacks.some((number) => line.startsWith(`a=extmap:${number} `)));
    sections.unshift(section('audio', 0, '111', both, ...SOUND), section('video', 1, CALL_PAYLOADS, both, ...lines));
    sections[2] = channel(2);
  } else if (media === 2) {
    const rate = setup === 'actpass' ? HELD_RATE : FREE_RATE;
    sections.unshift(section('video', 0, '118 97', both, ...BOTH_WAYS, rate));
    sections[1] = channel(1);
  } else if (media) {
    const only = setup === 'actpass' ? 'a=recvonly' : 'a=sendonly';
    sections.push(section('video', 1, '97 98', only, ...ONE_WAY));
  }
  // The sections come in the order in which the client's stack has them, and the first one's transport is that
  // of all.
  sections[0]?.push(...candidates.map(candidateLine));
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

/** Version 1: the client offers, only receives, and dictates the rate. */
const ONE_WAY = [
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

// The numbers of extensions and payloads are those of a Chromium's call with sound, because anybody on the path
// can read them.
const vp8 = (number: number) => [
  'a=extmap:14 urn:ietf:params:rtp-hdrext:toffset',
  'a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  'a=extmap:13 urn:3gpp:video-orientation',
  'a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  'a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay',
  'a=extmap:6 http://www.webrtc.org/experiments/rtp-hdrext/video-content-type',
  'a=extmap:7 http://www.webrtc.org/experiments/rtp-hdrext/video-timing',
  'a=extmap:8 http://www.webrtc.org/experiments/rtp-hdrext/color-space',
  'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid',
  'a=rtcp-mux',
  'a=rtcp-rsize',
  `a=rtpmap:${number} VP8/90000`,
  `a=rtcp-fb:${number} goog-remb`,
  `a=rtcp-fb:${number} transport-cc`,
  `a=rtcp-fb:${number} ccm fir`,
  `a=rtcp-fb:${number} nack`,
  `a=rtcp-fb:${number} nack pli`,
];

/** Version 2: a video both ways, as in a call between two browsers. */
const BOTH_WAYS = [
  ...vp8(118),
  'a=rtpmap:97 rtx/90000',
  'a=fmtp:97 apt=118',
];

/** What an offer of version 2 says of rates, to this browser. Its estimate stays there, and the client's window decides.
 * An estimate that is free takes a loss of a twentieth for congestion, falls to nothing, and is raised again by
 * padding. */
const HELD_RATE = 'a=fmtp:118 x-google-start-bitrate=80000;x-google-min-bitrate=80000;x-google-max-bitrate=80000';
/** What an answer says, to the client's stack, which chooses the rate of uploads itself. */
const FREE_RATE = 'a=fmtp:118 x-google-start-bitrate=5000;x-google-max-bitrate=400000';

/** Version 3: the sound of a call. */
const SOUND = [
  'a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  'a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  'a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid',
  'a=rtcp-mux',
  'a=rtcp-rsize',
  'a=rtpmap:111 opus/48000/2',
  'a=rtcp-fb:111 transport-cc',
  'a=fmtp:111 minptime=10;useinbandfec=1',
];

/** Version 3: the video of a call. RED wraps the VP8, for a correction of errors. */
const CALL_PAYLOADS = '96 97 118 119 120';
const CALL = [
  ...vp8(96),
  'a=rtpmap:97 rtx/90000',
  'a=fmtp:97 apt=96',
  'a=rtpmap:118 red/90000',
  'a=rtpmap:119 rtx/90000',
  'a=fmtp:119 apt=118',
  'a=rtpmap:120 ulpfec/90000',
];

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
    ...media(sdp),
  });
}

/** Return the version of the media in our own SDP, which shows by their directions; nothing where they are refused.
 *
 * What is refused has the port 0, or the direction `inactive`. */
function media(sdp: string): { media?: number; lacks?: number[] } {
  const sections = sdp.split(/^(?=m=)/m);
  const direction = (kind: string) => {
    const section = sections.find((each) => each.startsWith(`m=${kind} `)) ?? '';
    return /^m=\S+ [1-9]/.test(section) ? /^a=(sendrecv|sendonly|recvonly)\r?$/m.exec(section)?.[1] : undefined;
  };
  const video = direction('video');
  if (video === undefined) return {};
  if (video !== 'sendrecv') return { media: 1 };
  if (direction('audio') !== 'sendrecv') return { media: 2 };
  const taken = new Set(extensions(sections.find((each) => each.startsWith('m=video ')) ?? ''));
  const lacks = extensions(CALL.join('\n')).filter((number) => !taken.has(number));
  return { media: CALL_MEDIA_VERSION, ...(lacks.length > 0 && { lacks }) };
}

/** Return the numbers of the header extensions in a section. */
function extensions(section: string): number[] {
  return [...section.matchAll(/^a=extmap:(\d+)/gm)].map(([, number]) => Number(number));
}
