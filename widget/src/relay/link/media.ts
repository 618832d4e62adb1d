/** The video of one link: the streams that the page has sent of it, and what puts messages in and out. */

import { PeerError } from '../../core/errors';
import { unfill } from '../../core/traffic/callframe';
import { unwrap } from '../../core/traffic/pictureframe';
import { Joiner } from '../../core/traffic/pieces';
import type { Path } from '../../core/traffic/ownrate';
import type { Look } from '../../core/traffic/scene';
import * as control from '../../core/wire/control';
import { CALL_MEDIA_VERSION } from '../../core/wire/description';
import { BARE, Paced } from './frameformat';
import type { Link } from './link';
import type { MessagePipe } from './outbox';
import { frameSource, type EncodedStreams } from './pictures';
import { joinChannel } from './pipe';
import { CallSender } from './callsender';
import { VideoReceiver } from './videoreceiver';
import { VideoSender } from './videosender';

/** The time between two questions for the rate of a link, while it sends. */
const RATE_MS = 100;
/** The same for a link that looks like a call, which sends always. */
const CALL_RATE_MS = 500;

/** What the Worker cannot do by itself. */
export interface PageWork {
  /** Have the page make a picture. That of a call is `pixels`, as RGBA. */
  makePicture(pixels: ArrayBuffer | null): void;
  /** Have the page say what the browser knows of the path. */
  findRate(): void;
  /** `bytes` passed between this browser and the client that no message had: pictures, sound, and all else that
   * makes a link look like a call. */
  spent(bytes: number): void;
}

export class LinkMedia {
  readonly #page: PageWork;
  #outgoing: EncodedStreams | null = null;
  #incoming: EncodedStreams | null = null;
  #sender: VideoSender | null = null;
  /** The sender of a link that looks like a call. */
  #call: CallSender | null = null;
  /** Bytes of messages that passed between this browser and the client of a call. */
  #messages_bytes = 0;
  /** Bytes that `spent` was told of. */
  #spent_bytes = 0;
  #receiver: VideoReceiver | null = null;
  /** Holds frames to the browser's rate, where the browser decides. */
  #pace: Paced | null = null;
  #asked_ms = -Infinity;

  constructor(page: PageWork) {
    this.#page = page;
  }

  /** Take the streams of one direction. */
  add(streams: EncodedStreams): void {
    if (streams.incoming) this.#incoming = streams;
    else this.#outgoing = streams;
  }

  /** Whether everything is here that a link with video of `version` needs; undefined is a plain link. */
  isReady(version: number | undefined): boolean {
    if (version === CALL_MEDIA_VERSION && !this.#outgoing?.look) return false;
    return (!version || this.#outgoing !== null) && (!isBothWays(version) || this.#incoming !== null);
  }

  /** Make `channel` the client's side of `link`, with the video of `version` beside it. */
  join(link: Link, channel: RTCDataChannel, version: number | undefined): void {
    const outgoing = version ? this.#outgoing : null;
    const isCall = version === CALL_MEDIA_VERSION;
    if (isBothWays(version) && this.#incoming) {
      if (!isCall) this.#pace = new Paced();
      const joiner = isCall ? new Joiner() : null;
      this.#receiver = new VideoReceiver(this.#incoming, isCall ? unfill : unwrap, {
        message: (data) => {
          this.#messages_bytes += data.byteLength;
          const message = joiner ? joiner.join(data) : data;
          if (message) link.message('client', message);
        },
        got: (next) => this.hear({ type: 'got', next }),
        say: (message) => link.say(control.encode(message)),
        failed: (code) => link.close(code),
      });
    }
    const wrap = (pipe: MessagePipe) => {
      if (!outgoing) return pipe;
      const { look } = outgoing;
      return look ? this.#sendCall(link, pipe, outgoing, look) : this.#send(link, pipe, outgoing);
    };
    joinChannel(link, channel, wrap, (data) => this.#take(link, data));
  }

  /** Take what the client says about the messages it has. Throws PeerError. */
  hear(message: control.Got | control.Resend): void {
    (this.#call ?? this.#sender)?.hear(message);
  }

  /** Take what the browser says of the path. Send no faster than it allows, and count all bytes of a call. */
  look(path: Path): void {
    this.#pace?.look(path, performance.now());
    if (!this.#call) return;
    const spent_bytes = path.bytes - this.#messages_bytes - this.#call.sent_bytes;
    if (spent_bytes <= this.#spent_bytes) return;
    this.#page.spent(spent_bytes - this.#spent_bytes);
    this.#spent_bytes = spent_bytes;
  }

  close(): void {
    this.#receiver?.close();
  }

  #send(link: Link, pipe: MessagePipe, streams: EncodedStreams): MessagePipe {
    const source = frameSource(streams, (pixels) => this.#page.makePicture(pixels));
    return (this.#sender = new VideoSender(pipe, source, this.#pace ?? BARE, {
      writable: () => link.writable('client'),
      busy: () => this.#pace && this.#ask(RATE_MS),
      tellGot: () => this.#receiver?.tellGot() ?? 0,
    }));
  }

  #sendCall(link: Link, pipe: MessagePipe, streams: EncodedStreams, look: Look): MessagePipe {
    const source = frameSource(streams, (pixels) => this.#page.makePicture(pixels));
    return (this.#call = new CallSender(pipe, source, look, {
      writable: () => link.writable('client'),
      ticked: () => this.#ask(CALL_RATE_MS),
      tellGot: () => this.#receiver?.tellGot() ?? 0,
    }));
  }

  #ask(pause_ms: number): void {
    const now_ms = performance.now();
    if (now_ms - this.#asked_ms < pause_ms) return;
    this.#asked_ms = now_ms;
    this.#page.findRate();
  }

  /** Take what came over the DataChannel. Where the client sends video, messages have numbers. */
  #take(link: Link, data: unknown): void {
    if (!this.#receiver || !(data instanceof ArrayBuffer)) return link.message('client', data);
    try {
      this.#receiver.channelMessage(data);
    } catch (error) {
      link.close(error instanceof PeerError ? error.code : 'internal');
    }
  }
}

/** Whether the client sends video as well. */
function isBothWays(version: number | undefined): boolean {
  return version === 2 || version === CALL_MEDIA_VERSION;
}
