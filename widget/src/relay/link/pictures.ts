/** Makes the pictures of a media link's video. Nobody ever sees them. */

import { Scene, type Look } from '../../core/traffic/scene';
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
  /** What the pictures of a call show; null on other links. */
  readonly look: Look | null;
  /** Whether the frames come from the client; otherwise they go there. */
  readonly incoming: boolean;
}

/** Return the source of a link's frames. Where a Worker cannot make pictures, `askPage` has the page make
 * one. */
export function frameSource(
  { readable, writable, pictures, look }: EncodedStreams,
  askPage: (pixels: ArrayBuffer | null) => void,
): FrameSource {
  const scene = look && new Scene(look, Math.random);
  const width = look?.width ?? PICTURE_SIDE;
  const nextPicture = scene ? () => scene.nextPicture() : tinyPictures();
  const requestFrame = pictures
    ? pictureMaker(pictures, nextPicture, width)
    : () => askPage(scene && rgbaOf(scene.nextPicture()));
  return { readable, writable, requestFrame };
}

/** Return a function that returns pictures that only have to differ. */
function tinyPictures(): () => Uint8Array<ArrayBuffer> {
  const pixels = new Uint8Array((PICTURE_SIDE * PICTURE_SIDE * 3) / 2);
  let count = 0;
  return () => {
    // An encoder may leave a still picture out.
    pixels[(count += 1) % (PICTURE_SIDE * PICTURE_SIDE)] = count;
    return pixels;
  };
}

/** Return a function that has one picture encoded. */
function pictureMaker(
  pictures: WritableStream<VideoFrame>,
  nextPicture: () => Uint8Array<ArrayBuffer>,
  width: number,
): () => void {
  const writer = pictures.getWriter();
  let time_us = 0;
  return () => {
    const pixels = nextPicture();
    time_us = Math.max(time_us + APART_US, Math.round(performance.now() * 1_000));
    const frame = new VideoFrame(pixels, {
      format: 'I420',
      codedWidth: width,
      codedHeight: pixels.length / 1.5 / width,
      timestamp: time_us,
    });
    // Writing fails once the track has ended with its PeerConnection.
    writer.write(frame).catch(() => frame.close());
  };
}

/** Return a grey picture as a canvas takes it. */
function rgbaOf(picture: Uint8Array): ArrayBuffer {
  const pixels = Uint32Array.from(picture.subarray(0, picture.length / 1.5), (grey) => 0xff000000 | (grey * 0x10101));
  return pixels.buffer;
}
