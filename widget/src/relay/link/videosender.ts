/** The pipe to the client of a media link: sends messages in the frames of a video.
 *
 * While messages wait, up to two frames are requested at a time, and each frame takes as many messages as
 * fit. A small message goes over the DataChannel instead, if nothing else waits and messages are few, so that a
 * quiet link is as quick as one without video. A browser may make no frames in a hidden page; then everything goes over the
 * DataChannel until frames come again.
 */

import type { LinkCode } from '../../core/errors';
import { LOW_WATER_BYTES, PACED_FRAME_BYTES } from '../../core/limits';
import { FramePacker } from '../../core/traffic/framepacker';
import type { Got, Resend } from '../../core/wire/control';
import type { FrameFormat } from './frameformat';
import type { MessagePipe } from './outbox';

/** A frame that was requested and has not come by then counts as late. */
const LATE_MS = 30;
/** With so many more late frames than frames in time, frames cannot be relied on. */
const LATE_MOST = 10;
/** The largest message that may go over the DataChannel while frames come: what fits into one packet. */
const SMALL_BYTES = 1_100;
/** The first messages may go over the DataChannel whatever their size, because a video starts slowly. */
const FIRST_MESSAGES = 8;
/** After the last frame with messages, empty frames soon show the client whether that frame was lost. */
const TAIL_MS = [25, 100];
/** After those, an empty frame is sent this often. */
const IDLE_MS = 1_000;
/** The size of an empty frame is random, from the first number up to the sum of both. */
const IDLE_LEAST_BYTES = 200;
const IDLE_SPREAD_BYTES = 900;

/** One encoded frame. Browsers differ in the rest of it. */
export interface EncodedFrame {
  data: ArrayBuffer;
}

/** The encoded frames of one video, and a way to request one more. */
export interface FrameSource {
  /** Frames as the encoder made them. */
  readonly readable: ReadableStream<EncodedFrame>;
  /** Frames as they are sent. */
  readonly writable: WritableStream<EncodedFrame>;
  requestFrame(): void;
}

export interface VideoSenderEvents {
  /** Little waits for frames now, and `watch` had asked to be told. */
  writable(): void;
  /** A frame with messages is about to be made. */
  busy(): void;
  /** Return the number before which all of the client's messages are here, for a frame that tells it. */
  tellGot(): number;
}

export class VideoSender implements MessagePipe {
  readonly #channel: MessagePipe;
  readonly #source: FrameSource;
  readonly #format: FrameFormat;
  readonly #events: VideoSenderEvents;
  readonly #packer: FramePacker;
  /** Frames that were requested and have not come. */
  #pending = 0;
  /** How many more frames were late than in time, from 0 to LATE_MOST. */
  #late = 0;
  /** When a frame was requested or came last. */
  #frameAt_ms = performance.now();
  /** Empty frames requested since the last frame with messages. */
  #idle = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isWatched = false;
  /** The code to close the channel with once the client has everything. */
  #end: LinkCode | null = null;
  #isClosed = false;

  constructor(
    channel: MessagePipe,
    source: FrameSource,
    format: FrameFormat,
    events: VideoSenderEvents,
  ) {
    this.#channel = channel;
    this.#source = source;
    this.#format = format;
    this.#packer = new FramePacker(0, format.repeats);
    this.#events = events;
    const fill = new TransformStream<EncodedFrame, EncodedFrame>({
      transform: (frame, onward) => {
        frame.data = this.#nextFrame(frame.data);
        onward.enqueue(frame);
      },
    });
    // Both streams fail once the page has closed the PeerConnection, which is no error here.
    source.readable.pipeThrough(fill).pipeTo(source.writable).catch(() => {});
  }

  get bufferedAmount(): number {
    return this.#packer.queued_bytes + this.#channel.bufferedAmount;
  }

  send(data: string | ArrayBuffer): void {
    if (typeof data === 'string') return this.#channel.send(data);
    // A record of no bytes would end its frame. An empty message means nothing, so it is left out.
    if (data.byteLength === 0) return;
    const isQuiet = this.#packer.queued_bytes === 0;
    const isFirst = this.#packer.count < FIRST_MESSAGES;
    const isSmall = data.byteLength <= SMALL_BYTES;
    const isEasy = this.#format.mayUseChannel() && isSmall;
    this.#packer.push(data);
    if (this.#isStuck || (isQuiet && (isEasy || isFirst))) this.#sendByChannel();
    // Small messages wait for others until the timer ends, because each frame costs work at both ends.
    else if (!isSmall) this.#request();
    if (this.#timer === undefined || (isQuiet && this.#packer.queued_bytes > 0)) this.#schedule();
  }

  /** Take what the client says about the messages it has. Throws PeerError. */
  hear(message: Got | Resend): void {
    if (message.type === 'got') this.#packer.acknowledge(message.next);
    else this.#packer.resend(message.gaps);
    if (this.#end !== null && this.#packer.isDone) return this.#close(this.#end);
    if (message.type === 'resend' && this.#packer.queued_bytes > 0) {
      this.#request();
      this.#schedule();
    }
  }

  watch(): void {
    this.#isWatched = true;
    this.#channel.watch();
  }

  /** Close once the client has everything. After an error, or when called again, close at once. */
  close(code: LinkCode): void {
    if (code === 'normal' && this.#end === null && !this.#packer.isDone) this.#end = code;
    else this.#close(code);
  }

  /** Whether frames cannot be relied on. */
  get #isStuck(): boolean {
    return this.#late >= LATE_MOST;
  }

  #close(code: LinkCode): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#packer.clear();
    this.#channel.close(code);
  }

  /** Send everything that waits over the DataChannel. */
  #sendByChannel(): void {
    for (let data = this.#packer.shift(); data; data = this.#packer.shift()) this.#channel.send(data);
  }

  /** Request a frame for what waits, if the rate leaves room for one and not too many are under way. */
  #request(): void {
    this.#events.busy();
    const { queued_bytes } = this.#packer;
    // Frames that were requested before take their share of what waits.
    const needed = Math.min(this.#format.pending, 1 + Math.floor(queued_bytes / PACED_FRAME_BYTES));
    if (this.#pending < needed && this.#format.takeTurn(queued_bytes)) this.#requestOne();
  }

  #requestOne(): void {
    if (this.#pending === 0) this.#frameAt_ms = performance.now();
    this.#pending += 1;
    this.#source.requestFrame();
  }

  /** Return the bytes for the frame that just came, of which the encoder made `picture`. */
  #nextFrame(picture: ArrayBuffer): ArrayBuffer {
    this.#pending = Math.max(0, this.#pending - 1);
    this.#late = Math.max(0, this.#late - 1);
    this.#frameAt_ms = performance.now();
    const isFull = this.#packer.queued_bytes > 0;
    const idle_bytes = IDLE_LEAST_BYTES + Math.random() * IDLE_SPREAD_BYTES;
    const room_bytes = this.#format.room(picture.byteLength);
    const payload = this.#packer.nextFrame(idle_bytes, room_bytes, isFull && this.#format.isClear());
    const frame = this.#format.seal(picture, payload, this.#events.tellGot(), this.#packer.unsent);
    if (isFull) {
      this.#idle = 0;
      if (this.#packer.queued_bytes > 0) this.#request();
      this.#schedule();
    }
    if (this.#isWatched && this.#packer.queued_bytes <= LOW_WATER_BYTES) {
      this.#isWatched = false;
      this.#events.writable();
    }
    return frame;
  }

  /** Set the timer for when a frame would be late, or an empty frame is due. */
  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    const isFull = this.#packer.queued_bytes > 0;
    const wait_ms = isFull ? this.#format.tick_ms : (TAIL_MS[this.#idle] ?? IDLE_MS);
    this.#timer = setTimeout(() => this.#onTimer(), wait_ms);
  }

  #onTimer(): void {
    const isLate = performance.now() - this.#frameAt_ms >= LATE_MS && this.#pending > 0;
    if (isLate) this.#pending = 0;
    if (this.#packer.queued_bytes > 0) {
      if (isLate) this.#late = Math.min(LATE_MOST, this.#late + 1);
      if (this.#isStuck) this.#giveUpFrames();
      this.#request();
    } else {
      this.#idle += 1;
      this.#requestOne();
    }
    this.#schedule();
  }

  #giveUpFrames(): void {
    try {
      this.#sendByChannel();
    } catch {
      // The channel just closed. Its own event says so.
    }
  }
}
