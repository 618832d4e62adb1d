/** Makes the pictures of a media link's video. What they show is never sent. */

import type { EncodedStreams } from '../../core/switch/report';
import type { FrameSource } from './videosender';

export const SIDE = 64;
/** An encoder drops a picture that is not at least a millisecond later than the last. */
const APART_US = 1_000;

/** Return a link's projector; where a Worker cannot make pictures, `ask` has the page make one. */
export function frameSource({ readable, writable, frames }: EncodedStreams, ask: () => void): FrameSource {
  return { readable, writable, requestFrame: frames ? generator(frames) : ask };
}

function generator(frames: WritableStream<VideoFrame>): () => void {
  const writer = frames.getWriter();
  const pixels = new Uint8Array((SIDE * SIDE * 3) / 2);
  let shots = 0;
  let time_us = 0;
  return () => {
    // A still picture might be left out.
    pixels[(shots += 1) % (SIDE * SIDE)] = shots;
    time_us = Math.max(time_us + APART_US, Math.round(performance.now() * 1_000));
    const frame = new VideoFrame(pixels, {
      format: 'I420',
      codedWidth: SIDE,
      codedHeight: SIDE,
      timestamp: time_us,
    });
    // The track ends with its PeerConnection.
    writer.write(frame).catch(() => frame.close());
  };
}
