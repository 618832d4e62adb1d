/** The way to the client of a media link: a `Port` that puts messages into the frames of a video.
 *
 * A message makes a frame: one is asked for whenever something waits and fewer than two are under
 * way. What is small goes over the DataChannel while nothing waits, so a quiet link is as quick as
 * one without video. Where frames do not come, which a browser may do to hidden pages, everything
 * goes over the DataChannel until they do.
 */

import type { Got, Resend } from '../../core/wire/control';
import type { LinkCode } from '../../core/errors';
import { LOW_WATER_BYTES } from '../../core/limits';
import { FramePacker } from '../../core/traffic/framepacker';
import type { MessagePipe } from './outbox';

/** Frames under way at once. */
const PENDING = 2;
/** A frame that was asked for and did not come by then was dropped. */
const LATE_MS = 30;
/** More frames late than in time, by so many: there is no relying on them. */
const LATE_MOST = 10;
/** Largest message that may go over the DataChannel while frames come: one packet. */
const SMALL_BYTES = 1_100;
/** The first messages may do so whatever their size: a video takes a moment to begin. */
const FIRST_MESSAGES = 8;
/** Empty frames after the last full one show the client a lost end soon; then they are rare. */
const TAIL_MS = [25, 100];
const IDLE_MS = 1_000;
const IDLE_LEAST_BYTES = 200;
const IDLE_SPREAD_BYTES = 900;

/** One encoded frame, whatever the browser calls it. */
export interface EncodedFrame {
  data: ArrayBuffer;
}

/** A sender's encoded frames on their way, and a way to ask for one more. */
export interface FrameSource {
  readonly readable: ReadableStream<EncodedFrame>;
  readonly writable: WritableStream<EncodedFrame>;
  requestFrame(): void;
}

export class VideoSender implements MessagePipe {
  readonly #channel: MessagePipe;
  readonly #projector: FrameSource;
  readonly #roomy: () => void;
  readonly #reel = new FramePacker();
  #pending = 0;
  #late = 0;
  #idle = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isWatched = false;
  /** Why the channel will be closed once the client has everything. */
  #end: LinkCode | null = null;
  #isShut = false;

  /** `roomy` is called when little waits, after `watch`. */
  constructor(channel: MessagePipe, projector: FrameSource, roomy: () => void) {
    this.#channel = channel;
    this.#projector = projector;
    this.#roomy = roomy;
    const fill = new TransformStream<EncodedFrame, EncodedFrame>({
      transform: (frame, onward) => {
        // Always: an encoder's own bytes would be read as messages.
        frame.data = this.#fill();
        onward.enqueue(frame);
      },
    });
    // Either end closes with its PeerConnection, which the page closes.
    projector.readable.pipeThrough(fill).pipeTo(projector.writable).catch(() => {});
  }

  get bufferedAmount(): number {
    return this.#reel.queued_bytes + this.#channel.bufferedAmount;
  }

  send(data: string | ArrayBuffer): void {
    if (typeof data === 'string') return this.#channel.send(data);
    // A record of no bytes would end its frame; it says nothing anyway.
    if (data.byteLength === 0) return;
    const isQuiet = this.#reel.queued_bytes === 0;
    const isSmall = data.byteLength <= SMALL_BYTES || this.#reel.count < FIRST_MESSAGES;
    this.#reel.push(data);
    if (this.#isStuck || (isQuiet && isSmall)) this.#divert();
    else this.#ask();
    if (this.#timer === undefined || (isQuiet && this.#reel.queued_bytes > 0)) this.#rest();
  }

  /** Take what the client says of its messages. Throws PeerError. */
  hear(message: Got | Resend): void {
    if (message.type === 'got') this.#reel.acknowledge(message.next);
    else this.#reel.resend(message.gaps);
    if (this.#end !== null && this.#reel.isDone) return this.#shut(this.#end);
    if (message.type === 'resend' && this.#reel.queued_bytes > 0) {
      this.#ask();
      this.#rest();
    }
  }

  watch(): void {
    this.#isWatched = true;
    this.#channel.watch();
  }

  /** Close once the client has everything; at once where that was called before, or is a fault. */
  close(code: LinkCode): void {
    if (code === 'normal' && this.#end === null && !this.#reel.isDone) this.#end = code;
    else this.#shut(code);
  }

  get #isStuck(): boolean {
    return this.#late >= LATE_MOST;
  }

  #shut(code: LinkCode): void {
    this.#isShut = true;
    clearTimeout(this.#timer);
    this.#reel.clear();
    this.#channel.close(code);
  }

  #divert(): void {
    for (let data = this.#reel.shift(); data; data = this.#reel.shift()) this.#channel.send(data);
  }

  #ask(): void {
    if (this.#pending >= PENDING) return;
    this.#pending += 1;
    this.#projector.requestFrame();
  }

  #fill(): ArrayBuffer {
    this.#pending = Math.max(0, this.#pending - 1);
    this.#late = Math.max(0, this.#late - 1);
    const isFull = this.#reel.queued_bytes > 0;
    const frame = this.#reel.nextFrame(IDLE_LEAST_BYTES + Math.random() * IDLE_SPREAD_BYTES);
    if (isFull) {
      this.#idle = 0;
      if (this.#reel.queued_bytes > 0) this.#ask();
      this.#rest();
    }
    if (this.#isWatched && this.#reel.queued_bytes <= LOW_WATER_BYTES) {
      this.#isWatched = false;
      this.#roomy();
    }
    return frame;
  }

  /** Look again when a frame is late, or an empty one is due. */
  #rest(): void {
    clearTimeout(this.#timer);
    if (this.#isShut) return;
    const wait_ms = this.#reel.queued_bytes > 0 ? LATE_MS : (TAIL_MS[this.#idle] ?? IDLE_MS);
    this.#timer = setTimeout(() => this.#look(), wait_ms);
  }

  #look(): void {
    this.#pending = 0;
    if (this.#reel.queued_bytes > 0) {
      this.#late = Math.min(LATE_MOST, this.#late + 1);
      if (this.#isStuck) this.#channelAll();
    } else this.#idle += 1;
    this.#ask();
    this.#rest();
  }

  #channelAll(): void {
    try {
      this.#divert();
    } catch {
      // A channel that just closed: its own event tells.
    }
  }
}
