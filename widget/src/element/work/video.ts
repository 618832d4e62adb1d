/** The page's part of a media link: a tiny video, whose encoded frames the Worker fills with data.
 *
 * Chromium hands out the encoded frames as streams, and takes pictures from a stream. Both streams move to
 * the Worker. In other browsers a Worker gets the encoded frames by an event of its own, and the page draws
 * the pictures when the Worker asks for them.
 */

import { lookOf, type Look } from '../../core/traffic/scene';
import { PICTURE_SIDE } from '../../core/wire/description';
import type { EncodedStreams, SoundStreams } from '../../relay/messages';
import { makeSound, type Sound } from './sound';

/** The client says how fast to send. The browser's own limits only have to be higher than that. */
const MOST_BIT_S = 400_000_000;
const FRAMES_PER_S = 1_000;

/** Chromium's class, which TypeScript's DOM types lack. */
interface Chromium {
  MediaStreamTrackGenerator?: new (options: { kind: 'video' }) => MediaStreamTrack & {
    readonly writable: WritableStream<VideoFrame>;
  };
}
/** Chromium's extension of RTCRtpSender and RTCRtpReceiver. */
interface Streaming {
  createEncodedStreams(): Pick<EncodedStreams, 'readable' | 'writable'>;
}
/** What takes a picture of a canvas: the track, or Firefox's stream. */
interface Requester {
  requestFrame?(): void;
}

const { MediaStreamTrackGenerator: Generator } = globalThis as Chromium;
const hasStreams = () =>
  typeof RTCRtpSender !== 'undefined' && 'createEncodedStreams' in RTCRtpSender.prototype;

/** Return whether this browser can put data into a video's frames. */
export function canSendVideo(): boolean {
  return (hasStreams() && Generator !== undefined) || typeof RTCRtpScriptTransform !== 'undefined';
}

/** Options of a PeerConnection with such a video. Browsers ignore options that they do not know. */
export const VIDEO_OPTIONS = { encodedInsertableStreams: true };

export interface VideoTrackEvents {
  /** Take the video's streams, which can be transferred. */
  video(streams: EncodedStreams): void;
  /** Return the transform that hands the encoded frames to the Worker; `look` is of those that are sent in a call. */
  transform(incoming: boolean, look: Look | null): RTCRtpScriptTransform;
  /** Take the streams of a sound, which can be transferred. */
  sound(streams: SoundStreams): void;
}

export class VideoTrack {
  readonly #events: VideoTrackEvents;
  #transceiver: RTCRtpTransceiver | undefined;
  #track: MediaStreamTrack | undefined;
  #pictures: WritableStream<VideoFrame> | null = null;
  /** Whether the client sends video as well. */
  #receives = false;
  /** The sound beside the video of a call. */
  #sound: Sound | null = null;
  #soundSender: RTCRtpSender | undefined;
  /** What the video shows, where the client asked for a link that looks like a call. */
  #look: Look | null = null;
  #makePicture: (pixels: ArrayBuffer | null) => void = () => {};

  constructor(events: VideoTrackEvents) {
    this.#events = events;
  }

  /** Add the track to `connection`, if the offer that was set asks for a video and this browser can send
   * one. Otherwise the answer refuses the video, and the link is a plain one. */
  async add(connection: RTCPeerConnection): Promise<void> {
    const transceivers = connection.getTransceivers();
    const of = (kind: string) => transceivers.find(({ receiver }) => receiver.track.kind === kind);
    await this.#addSound(of('audio'));
    const transceiver = of('video');
    if (!transceiver) return;
    try {
      await this.#add(transceiver.sender);
      // A client whose stack is a browser's sends video too.
      this.#receives = /^a=sendrecv\r?$/m.test(connection.remoteDescription?.sdp ?? '');
      transceiver.direction = this.#receives ? 'sendrecv' : 'sendonly';
      if (this.#receives && !this.#pictures) {
        transceiver.receiver.transform = this.#events.transform(true, null);
      }
      this.#transceiver = transceiver;
    } catch {
      transceiver.direction = 'inactive';
    }
  }

  /** Add the track to a `connection` that is about to offer a video both ways. */
  async offer(connection: RTCPeerConnection): Promise<void> {
    const transceiver = connection.addTransceiver('video', { direction: 'sendrecv' });
    this.#transceiver = transceiver;
    this.#receives = true;
    await this.#add(transceiver.sender);
    if (!this.#pictures) transceiver.receiver.transform = this.#events.transform(true, null);
  }

  /** Add a sound, if the offer that was set asks for one. */
  async #addSound(transceiver: RTCRtpTransceiver | undefined): Promise<void> {
    if (!transceiver) return;
    // Where the page draws, large pictures would cost it too much.
    this.#look = lookOf(Math.random, Generator !== undefined);
    this.#sound = makeSound(this.#look.talk);
    transceiver.direction = this.#sound ? 'sendrecv' : 'inactive';
    this.#soundSender = transceiver.sender;
    if (this.#sound) await transceiver.sender.replaceTrack(this.#sound.track);
  }

  async #add(sender: RTCRtpSender): Promise<void> {
    if (hasStreams() && Generator) {
      const track = new Generator({ kind: 'video' });
      this.#pictures = track.writable;
      this.#track = track;
    } else {
      this.#track = this.#canvasTrack();
      sender.transform = this.#events.transform(false, this.#look);
    }
    await sender.replaceTrack(this.#track);
  }

  /** Begin, once the answer is set. */
  async start(): Promise<void> {
    if (!this.#transceiver) return;
    const { sender, receiver } = this.#transceiver;
    if (this.#pictures) {
      if (this.#receives) this.#hand(receiver, null);
      this.#hand(sender, this.#pictures);
    }
    if (this.#sound?.samples && this.#soundSender && this.#look) {
      // Where encoded frames are handed out, those that nobody takes are not sent.
      const { readable, writable } = (this.#soundSender as unknown as Streaming).createEncodedStreams();
      this.#events.sound({ readable, writable, samples: this.#sound.samples, look: this.#look });
    }
    const parameters = sender.getParameters();
    for (const encoding of parameters.encodings) {
      if (!this.#look) {
        encoding.maxBitrate = MOST_BIT_S;
        encoding.maxFramerate = FRAMES_PER_S;
      } else if (this.#look.bound_bit_s) encoding.maxBitrate = this.#look.bound_bit_s;
    }
    // When a browser refuses these parameters, the link is only slower.
    await sender.setParameters(parameters).catch(() => {});
  }

  /** Hand out the streams of one direction. `pictures` belongs to the one that sends. */
  #hand(end: RTCRtpSender | RTCRtpReceiver, pictures: WritableStream<VideoFrame> | null): void {
    const { readable, writable } = (end as unknown as Streaming).createEncodedStreams();
    const look = pictures ? this.#look : null;
    this.#events.video({ readable, writable, pictures, look, incoming: pictures === null });
  }

  /** Make a picture, where the Worker cannot. A call's picture is `pixels`, as RGBA. */
  makePicture(pixels: ArrayBuffer | null): void {
    this.#makePicture(pixels);
  }

  stop(): void {
    this.#track?.stop();
    this.#sound?.stop();
  }

  /** Return a track that shows a canvas, in which the page draws. */
  #canvasTrack(): MediaStreamTrack {
    const canvas = document.createElement('canvas');
    const { width, height } = this.#look ?? { width: PICTURE_SIDE, height: PICTURE_SIDE };
    Object.assign(canvas, { width, height });
    const brush = canvas.getContext('2d');
    const stream = canvas.captureStream(0);
    const [track] = stream.getVideoTracks();
    if (!brush || !track) throw new Error('no canvas');
    const requester = ('requestFrame' in track ? track : stream) as Requester;
    let count = 0;
    this.#makePicture = (pixels) => {
      if (pixels) {
        brush.putImageData(new ImageData(new Uint8ClampedArray(pixels), width, height), 0, 0);
      } else {
        // Every picture differs from the last one, because an encoder may leave a still picture out.
        brush.fillStyle = `hsl(${(count += 7) % 360} 50% 50%)`;
        brush.fillRect(count % PICTURE_SIDE, 0, 8, PICTURE_SIDE);
      }
      requester.requestFrame?.();
    };
    this.#makePicture(null);
    return track;
  }
}
