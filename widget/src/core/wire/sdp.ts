/** SDP for this browser's own WebRTC stack, with a link's media: made from a description with a fixed template, and
 * read back into a description. `channelsdp.ts` has what every link has.
 *
 * A media link has one video bundled with the DataChannel: from volunteer to client, or both ways.
 */

import { channelSection, fromOwnChannelSdp, type Section, transportLines, written } from './channelsdp';
import { CALL_MEDIA_VERSION, type Description } from './description';

/** Return the SDP for `description`. */
export function toSdp(description: Description): string {
  return written(sectionsOf(description), description);
}

function sectionsOf(description: Description): readonly Section[] {
  const { media, setup, lacks = [] } = description;
  const section = (kind: string, mid: number, payloads: string, ...lines: string[]): Section => [
    `m=${kind} 9 UDP/TLS/RTP/SAVPF ${payloads}`,
    'c=IN IP4 0.0.0.0',
    `a=mid:${mid}`,
    ...transportLines(description),
    ...lines,
  ];
  const both = 'a=sendrecv';
  if (media === CALL_MEDIA_VERSION) {
    const taken = (line: string) => !lacks.some((number) => line.startsWith(`a=extmap:${number} `)
      || (number === LACKS_REPORTS && REPORT.test(line)));
    return [
      section('audio', 0, '111', both, ...SOUND.filter(taken)),
      section('video', 1, CALL_PAYLOADS, both, ...CALL.filter(taken)),
      channelSection(description, 2),
    ];
  }
  if (media === 2) {
    const rate = setup === 'actpass' ? HELD_RATE : FREE_RATE;
    return [section('video', 0, '118 97', both, ...BOTH_WAYS, rate), channelSection(description, 1)];
  }
  const channel = channelSection(description, 0);
  if (!media) return [channel];
  const only = setup === 'actpass' ? 'a=recvonly' : 'a=sendonly';
  return [channel, section('video', 1, '97 98', only, ...ONE_WAY)];
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
const HELD_RATE = 'a=fmtp:118 x-google-start-bitrate=160000;x-google-min-bitrate=160000;x-google-max-bitrate=160000';
/** What an answer says, to the client's stack, which chooses the rate of uploads itself. */
const FREE_RATE = 'a=fmtp:118 x-google-start-bitrate=5000;x-google-max-bitrate=400000';

/** Lines of the extended reports (RFC 3611) with which Chromiums measure round trips: each makes a report of theirs
 * longer, which anybody on the path can see. */
const reports = (payloads: string) => [
  'a=rtcp-xr:rcvr-rtt=all',
  ...payloads.split(' ').map((number) => `a=rtcp-fb:${number} rrtr`),
];
const REPORT = /^a=rtcp-(xr:|fb:\d+ rrtr)/m;
/** Stands in `lacks` for the extended reports. */
const LACKS_REPORTS = 0;

/** Version 3: the sound of a call. */
const SOUND = [
  'a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  'a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  'a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid',
  'a=rtcp-mux',
  'a=rtcp-rsize',
  'a=rtpmap:111 opus/48000/2',
  ...reports('111'),
  'a=rtcp-fb:111 transport-cc',
  'a=fmtp:111 minptime=10;useinbandfec=1',
];

/** Version 3: the video of a call. RED wraps the VP8, for a correction of errors. */
const CALL_PAYLOADS = '96 97 118 119 120';
const CALL = [
  ...vp8(96),
  ...reports(CALL_PAYLOADS),
  'a=rtpmap:97 rtx/90000',
  'a=fmtp:97 apt=96',
  'a=rtpmap:118 red/90000',
  'a=rtpmap:119 rtx/90000',
  'a=fmtp:119 apt=118',
  'a=rtpmap:120 ulpfec/90000',
];

/** Read a description from the SDP that *our own* WebRTC stack made, as `fromOwnChannelSdp` does, with its media. */
export const fromOwnSdp = (sdp: string): Description => fromOwnChannelSdp(sdp, media(sdp));

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
  const section = sections.find((each) => each.startsWith('m=video ')) ?? '';
  const taken = new Set(extensions(section));
  if (REPORT.test(section)) taken.add(LACKS_REPORTS);
  const lacks = [LACKS_REPORTS, ...extensions(CALL.join('\n'))].filter((number) => !taken.has(number));
  return { media: CALL_MEDIA_VERSION, ...(lacks.length > 0 && { lacks }) };
}

/** Return the numbers of the header extensions in a section. */
function extensions(section: string): number[] {
  return [...section.matchAll(/^a=extmap:(\d+)/gm)].map(([, number]) => Number(number));
}
