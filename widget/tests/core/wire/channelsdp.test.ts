import { expect, test } from 'vitest';
import { PeerError } from '../../../src/core/errors';
import { fromOwnChannelSdp, toChannelSdp } from '../../../src/core/wire/channelsdp';
import { read, write } from '../../../src/core/wire/description';
import { vectors } from '../../vectors';

const rendered = vectors<{ text: string; sdp: string | null }[]>('descriptions').filter(({ sdp }) => sdp !== null);
const own = vectors<{ sdp: string; description: Record<string, unknown> | null }[]>('own_sdp');

test.each(rendered)('a description is rendered as Python does it, and its media are left out: $text', ({ text, sdp }) => {
  const description = read(JSON.parse(text));
  const made = toChannelSdp(description);
  expect(made.match(/^m=.*$/gm)).toEqual(['m=application 9 UDP/DTLS/SCTP webrtc-datachannel']);
  if (!description.media) expect(made).toBe(sdp);
});

test.each(own)("our own stack's SDP is read as Python reads it: %#", ({ sdp, description }) => {
  if (description === null) {
    expect(() => fromOwnChannelSdp(sdp)).toThrow(PeerError);
    return;
  }
  const { media: _media, lacks: _lacks, ...plain } = description;
  expect(write(fromOwnChannelSdp(sdp))).toEqual(plain);
});
