import { expect, test } from 'vitest';
import type { Description } from '../../../widget/src/core/wire/description';
import { answered, isAnswerable, renumbered } from '../../src/media/sdp';

const CHROMIUM = `m=video 9 UDP/TLS/RTP/SAVPF 96 97\r
a=extmap:1 urn:ietf:params:rtp-hdrext:toffset\r
a=extmap:4 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r
a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid\r
a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r
a=rtpmap:96 VP8/90000\r
a=rtcp-fb:96 nack pli\r
a=rtpmap:97 rtx/90000\r
a=fmtp:97 apt=96\r
m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r
`;
const FIREFOX = `m=video 9 UDP/TLS/RTP/SAVPF 120 124\r
a=extmap:6/recvonly http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r
a=fmtp:120 max-fs=12288;max-fr=60\r
a=fmtp:124 apt=120\r
a=rtpmap:120 VP8/90000\r
a=rtpmap:124 rtx/90000\r
`;

test('an offer has the numbers that the volunteer is given', () => {
  const chromium = renumbered(CHROMIUM);
  for (const line of [
    'm=video 9 UDP/TLS/RTP/SAVPF 118 97', 'a=rtpmap:118 VP8/90000', 'a=rtcp-fb:118 nack pli', 'a=fmtp:97 apt=118',
    'a=extmap:14 urn:ietf:params:rtp-hdrext:toffset', 'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid',
    'a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id', 'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
  ]) {
    expect(chromium.split('\r\n')).toContain(line);
  }
  const firefox = renumbered(FIREFOX);
  for (const line of [
    'm=video 9 UDP/TLS/RTP/SAVPF 118 97', 'a=fmtp:118 max-fs=12288;max-fr=60', 'a=fmtp:97 apt=118',
    'a=extmap:5/recvonly http://www.webrtc.org/experiments/rtp-hdrext/playout-delay',
  ]) {
    expect(firefox.split('\r\n')).toContain(line);
  }
});

const ANSWER: Description = {
  ufrag: 'abcd', pwd: 'a'.repeat(22), fingerprint: new Uint8Array(32), setup: 'active', candidates: [],
};

test('an answer without a video keeps its section, and one of another kind is refused', () => {
  expect(answered({ ...ANSWER, media: 2 })).toContain('a=sendrecv');
  const plain = answered(ANSWER);
  expect(plain).toContain('m=video 9 ');
  expect(plain).toContain('a=inactive');
  expect(plain.includes('a=sendrecv')).toBe(false);
  expect(() => answered({ ...ANSWER, media: 1 })).toThrow();
});

test('an offer to which no volunteer has a fitting answer is known before anybody is asked', () => {
  const extensions = (sdp: string) => [...sdp.matchAll(/^a=extmap:.*$/gm)].join('\r\n');
  const answer = extensions(answered({ ...ANSWER, media: 2 }));
  expect(answer).toContain('urn:3gpp:video-orientation');
  expect(isAnswerable(`${answer}\r\na=rtpmap:118 VP8/90000\r\n`)).toBe(true);
  expect(isAnswerable(`${answer}\r\na=rtpmap:120 VP8/90000\r\n`)).toBe(false);
  for (const line of answer.split('\r\n')) {
    expect(isAnswerable(`${answer.replace(line, 'a=sendrecv')}\r\na=rtpmap:118 VP8/90000\r\n`)).toBe(false);
  }
  expect(isAnswerable(renumbered(FIREFOX))).toBe(false);
});
