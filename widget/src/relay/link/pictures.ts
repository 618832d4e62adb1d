/** Makes the pictures of a media link's video. Nobody ever sees them. */

import { PICTURE_SIDE } from '../../core/wire/description';
import type { FrameSource } from './videosender';

/** An encoder drops a picture unless it is at least a millisecond later than the last one. */
const APART_US = 1_000;

/** The streams of one video. */
export interface EncodedStreams {
  /** Frames as the encoder made them. */
  readonly readable: ReadableStream<RTCEncodedVideoFrame>;
  /** Frames as they are sent. */
  readonly writable: WritableStream<RTCEncodedVideoFrame>;
  /** Takes the pictures to be encoded; null where a Worker cannot make pictures. */
  readonly pictures: WritableStream<VideoFrame> | null;
  /** Whether the frames come from the client; otherwise they go there. */
  readonly incoming: boolean;
}

/** Return the source of a link's frames. Where a Worker cannot make pictures, `askPage` has the page make
 * one. */
export function frameSource({ readable, writable, pictures }: EncodedStreams, askPage: () => void): FrameSource {
  return { readable, writable, requestFrame: pictures ? pictureMaker(pictures) : askPage };
}

/** Return a function that makes one picture. */
function pictureMaker(pictures: WritableStream<VideoFrame>): () => void {
  const writer = pictures.getWriter();
  const pixels = new Uint8Array((PICTURE_SIDE * PICTURE_SIDE * 3) / 2);
  let count = 0;
  let time_us = 0;
  return () => {
    // Every picture differs from the last one, because an encoder may leave a still picture out.
    pixels[(count += 1) % (PICTURE_SIDE * PICTURE_SIDE)] = count;
    time_us = Math.max(time_us + APART_US, Math.round(performance.now() * 1_000));
    const frame = new VideoFrame(pixels, {
      format: 'I420',
      codedWidth: PICTURE_SIDE,
      codedHeight: PICTURE_SIDE,
      timestamp: time_us,
    });
    // Writing fails once the track has ended with its PeerConnection.
    writer.write(frame).catch(() => frame.close());
  };
}
