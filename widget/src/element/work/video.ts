/** The page's part of a media link: a tiny video whose encoded frames the Worker fills with data.
 *
 * Chromium hands encoded frames out by streams, and takes pictures through a stream, both of which
 * move to the Worker. Elsewhere a Worker gets encoded frames by an event of its own, and pictures
 * are drawn here, when asked for.
 */

import type { EncodedStreams } from '../../core/switch/report';

const SIDE = 64;
/** The client says how much; the browser's own limits only have to be out of the way. */
const MOST_BIT_S = 400_000_000;
const FRAMES_PER_S = 1_000;

/** What TypeScript's DOM does not know of: Chromium's, and Firefox's `requestFrame` of a stream. */
interface Unknown {
  MediaStreamTrackGenerator?: new (options: { kind: 'video' }) => MediaStreamTrack & {
    readonly writable: WritableStream<VideoFrame>;
  };
}
interface StreamingSender {
  createEncodedStreams(): Omit<EncodedStreams, 'frames'>;
}
interface Requester {
  requestFrame?(): void;
}

const { MediaStreamTrackGenerator: Generator } = globalThis as Unknown;
const streams = () =>
  typeof RTCRtpSender !== 'undefined' && 'createEncodedStreams' in RTCRtpSender.prototype;

/** Tell whether this browser can put data into a video's frames. */
export function canSendVideo(): boolean {
  return (streams() && Generator !== undefined) || typeof RTCRtpScriptTransform !== 'undefined';
}

/** Options of a PeerConnection with such a video; unknown ones are ignored. */
export const VIDEO_OPTIONS = { encodedInsertableStreams: true };

export interface VideoTrackEvents {
  /** Take the encoded frames; they can be transferred. */
  reels(reels: EncodedStreams): void;
  /** Return what hands the encoded frames to the Worker. */
  transform(): RTCRtpScriptTransform;
}

export class VideoTrack {
  readonly #events: VideoTrackEvents;
  #sender: RTCRtpSender | undefined;
  #track: MediaStreamTrack | undefined;
  #frames: WritableStream<VideoFrame> | null = null;
  #shoot: () => void = () => {};

  constructor(events: VideoTrackEvents) {
    this.#events = events;
  }

  /** Send a video, where the offer that was set asks for one and this browser can. */
  async mount(connection: RTCPeerConnection): Promise<void> {
    const [transceiver] = connection.getTransceivers();
    if (!transceiver) return;
    try {
      await this.#mount(transceiver.sender);
      transceiver.direction = 'sendonly';
      this.#sender = transceiver.sender;
    } catch {
      // Refused by the answer, then: the link is a plain one.
      transceiver.direction = 'inactive';
    }
  }

  async #mount(sender: RTCRtpSender): Promise<void> {
    if (streams() && Generator) {
      const track = new Generator({ kind: 'video' });
      this.#frames = track.writable;
      this.#track = track;
    } else {
      this.#track = this.#draw();
      sender.transform = this.#events.transform();
    }
    await sender.replaceTrack(this.#track);
  }

  /** Begin, once the answer is set. */
  async roll(): Promise<void> {
    if (!this.#sender) return;
    if (this.#frames) {
      const { readable, writable } = (this.#sender as unknown as StreamingSender).createEncodedStreams();
      this.#events.reels({ readable, writable, frames: this.#frames });
    }
    const parameters = this.#sender.getParameters();
    for (const encoding of parameters.encodings) {
      encoding.maxBitrate = MOST_BIT_S;
      encoding.maxFramerate = FRAMES_PER_S;
    }
    // Without them it is only slower.
    await this.#sender.setParameters(parameters).catch(() => {});
  }

  /** Make a picture, where the Worker cannot. */
  shoot(): void {
    this.#shoot();
  }

  stop(): void {
    this.#track?.stop();
  }

  #draw(): MediaStreamTrack {
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = SIDE;
    const brush = canvas.getContext('2d');
    const stream = canvas.captureStream(0);
    const [track] = stream.getVideoTracks();
    if (!brush || !track) throw new Error('no canvas');
    const requester = ('requestFrame' in track ? track : stream) as Requester;
    let shots = 0;
    this.#shoot = () => {
      // A still picture might be left out.
      brush.fillStyle = `hsl(${(shots += 7) % 360} 50% 50%)`;
      brush.fillRect(shots % SIDE, 0, 8, SIDE);
      requester.requestFrame?.();
    };
    this.#shoot();
    return track;
  }
}
