/** The video of one link: the streams that the page has sent of it, and what puts messages in and out. */

import { PeerError } from '../../core/errors';
import type { Path } from '../../core/traffic/ratefloor';
import * as control from '../../core/wire/control';
import { BARE, Paced } from './frameformat';
import type { Link } from './link';
import type { MessagePipe } from './outbox';
import { frameSource, type EncodedStreams } from './pictures';
import { joinChannel } from './pipe';
import { VideoReceiver } from './videoreceiver';
import { VideoSender } from './videosender';

/** The time between two questions for the rate of a link, while it sends. */
const RATE_MS = 100;

/** What the Worker cannot do by itself. */
export interface PageWork {
  /** Have the page make a picture. */
  makePicture(): void;
  /** Have the page say what the browser knows of the path. */
  findRate(): void;
  /** Have the page hold the browser's estimate at `bit_s`; 0 lets it go. */
  holdRate(bit_s: number): void;
}

export class LinkMedia {
  readonly #page: PageWork;
  #outgoing: EncodedStreams | null = null;
  #incoming: EncodedStreams | null = null;
  #sender: VideoSender | null = null;
  #receiver: VideoReceiver | null = null;
  /** Holds frames to the browser's rate, where the browser decides. */
  #pace: Paced | null = null;
  #asked_ms = -Infinity;
  /** Whether the page was just told to hold the rate. */
  #isHeld = false;

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
    return (!version || this.#outgoing !== null) && (version !== 2 || this.#incoming !== null);
  }

  /** Make `channel` the client's side of `link`, with the video of `version` beside it. */
  join(link: Link, channel: RTCDataChannel, version: number | undefined): void {
    const outgoing = version ? this.#outgoing : null;
    if (version === 2 && this.#incoming) {
      this.#pace = new Paced();
      this.#receiver = new VideoReceiver(this.#incoming, {
        message: (data) => link.message('client', data),
        got: (next) => this.#sender?.hear({ type: 'got', next }),
        say: (message) => link.say(control.encode(message)),
        failed: (code) => link.close(code),
      });
    }
    const wrap = (pipe: MessagePipe) => (outgoing ? this.#send(link, pipe, outgoing) : pipe);
    joinChannel(link, channel, wrap, (data) => this.#take(link, data));
  }

  /** Take what the client says about the messages it has. Throws PeerError. */
  hear(message: control.Got | control.Resend): void {
    this.#sender?.hear(message);
  }

  /** Take what the browser says of the path, and send no faster than it allows. */
  look(path: Path): void {
    if (!this.#pace) return;
    // The encoder was set up anew since the last look, and what was under way may be lost.
    if (this.#isHeld) this.#sender?.sendAgain();
    this.#isHeld = this.#pace.look(path, performance.now());
    if (this.#isHeld) this.#page.holdRate(this.#pace.floor_bit_s);
  }

  close(): void {
    this.#receiver?.close();
  }

  #send(link: Link, pipe: MessagePipe, streams: EncodedStreams): MessagePipe {
    const source = frameSource(streams, () => this.#page.makePicture());
    return (this.#sender = new VideoSender(pipe, source, this.#pace ?? BARE, {
      writable: () => link.writable('client'),
      busy: () => this.#askRate(),
      tellGot: () => this.#receiver?.tellGot() ?? 0,
    }));
  }

  #askRate(): void {
    const now_ms = performance.now();
    if (!this.#pace || now_ms - this.#asked_ms < RATE_MS) return;
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
