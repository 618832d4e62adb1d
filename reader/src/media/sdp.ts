/** The two ends of a video's negotiation, seen by the end that offers. */

import { MEDIA_VERSION, type Description } from '../../../widget/src/core/wire/description';
import { toSdp } from '../../../widget/src/core/wire/sdp';

/** Payload types of the video, and numbers of its header extensions, as `widget/src/core/wire/sdp.ts` has them. */
const VP8 = '118';
const RTX = '97';
const EXTENSIONS: Readonly<Record<string, number | undefined>> = {
  'urn:ietf:params:rtp-hdrext:toffset': 14,
  'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time': 2,
  'urn:3gpp:video-orientation': 13,
  'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01': 3,
  'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay': 5,
  'http://www.webrtc.org/experiments/rtp-hdrext/video-content-type': 6,
  'http://www.webrtc.org/experiments/rtp-hdrext/video-timing': 7,
  'http://www.webrtc.org/experiments/rtp-hdrext/color-space': 8,
  'urn:ietf:params:rtp-hdrext:sdes:mid': 4,
};

/** Return this browser's own offer, of VP8 with its repeats, with the numbers that a volunteer's browser is given. */
export function renumbered(sdp: string): string {
  const vp8 = /^a=rtpmap:(\d+) VP8\//im.exec(sdp)?.[1];
  const rtx = new RegExp(`^a=fmtp:(\\d+) apt=${vp8}\\b`, 'm').exec(sdp)?.[1];
  const renamed = (number: string) => (number === vp8 ? VP8 : number === rtx ? RTX : number);
  return sdp
    .replace(/^(m=video \d+ \S+ )(.+)$/m, (_, head: string, list: string) => head + list.replace(/\d+/g, renamed))
    .replace(/^(a=(?:rtpmap|fmtp|rtcp-fb):)(\d+)/gm, (_, head: string, number: string) => head + renamed(number))
    .replace(/\bapt=(\d+)/g, (_, number: string) => `apt=${renamed(number)}`)
    .replace(/^a=extmap:(\d+)(\/\w+)? (\S+)/gm, (_, number: string, way: string | undefined, name: string) =>
      `a=extmap:${EXTENSIONS[name] ?? number}${way ?? ''} ${name}`);
}

/** Return whether an offer has those numbers, and each header extension of the answer: a browser takes none that it did not
 * offer, and a volunteer that had answered would wait for a link that never comes. */
export const isAnswerable = (sdp: string) =>
  sdp.includes(`a=rtpmap:${VP8} VP8/`) && Object.keys(EXTENSIONS).every((name) => sdp.includes(` ${name}\r`));

/** Return the SDP of an answer. Throws an Error for one with another kind of video. One without a video keeps the section, in which the transport began. */
export function answered(answer: Description): string {
  if (answer.media && answer.media !== MEDIA_VERSION) throw new Error('another kind of video');
  const sdp = toSdp({ ...answer, media: MEDIA_VERSION });
  return answer.media ? sdp : sdp.replace(/^a=sendrecv$/m, 'a=inactive');
}
