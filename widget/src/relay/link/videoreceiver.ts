/** Takes the other end's messages out of the frames of its video, and hands the genuine rest to the decoder. */

import { PeerError, type LinkCode } from '../../core/errors';
import { KIB, LINK_MESSAGE_BYTES, RESEND_GAPS } from '../../core/limits';
import { MessageOrder } from '../../core/traffic/messageorder';
import type { Brought, PictureFrame } from '../../core/traffic/pictureframe';
import type { Got, Resend } from '../../core/wire/control';
import { MESSAGE_NUMBER_BYTES } from '../../core/wire/description';
import type { EncodedFrame } from './videosender';

/** The other end is told what it may forget after so many bytes, or after so long. */
const GOT_BYTES = 256 * KIB;
const GOT_MS = 200;
/** How long a message is missing before it is asked for again: this time, or so many round trips. */
const MISSING_MS = 400;
const MISSING_RTTS = 3;

export interface VideoReceiverEvents {
  /** Take a message, in order. */
  message(data: ArrayBuffer): void;
  /** The other end has all of this one's messages before number `next`. Throws PeerError. */
  got(next: number): void;
  /** Tell the other end. */
  say(message: Got | Resend): void;
  failed(code: LinkCode): void;
  /** A frame of `size` bytes came. `encoded` is as the browser had it. */
  came?(frame: PictureFrame, size: number, encoded: EncodedFrame): void;
}

/** The encoded frames of a video that comes. */
export interface IncomingFrames {
  readonly readable: ReadableStream<EncodedFrame>;
  readonly writable: WritableStream<EncodedFrame>;
}

/** Takes a frame apart; one that carries nothing has its picture only. Throws PeerError. */
export type Unwrap = (frame: ArrayBuffer) => PictureFrame | Brought | Pick<Brought, 'picture'>;

export class VideoReceiver {
  readonly #events: VideoReceiverEvents;
  readonly #unwrap: Unwrap;
  /** The shortest round trip, where it is known. */
  rtt_ms = 0;
  readonly #order = new MessageOrder();
  #fresh_bytes = 0;
  #unsent = 0;
  #isClosed = false;
  #gotTimer: ReturnType<typeof setTimeout> | undefined;
  #missingTimer: ReturnType<typeof setTimeout> | undefined;
  /** The next message when the timer for missing ones was set. */
  #awaited = 0;

  constructor({ readable, writable }: IncomingFrames, unwrap: Unwrap, events: VideoReceiverEvents) {
    this.#events = events;
    this.#unwrap = unwrap;
    const empty = new TransformStream<EncodedFrame, EncodedFrame>({
      transform: (frame, onward) => {
        const picture = this.#takeFrame(frame);
        if (!picture) return;
        frame.data = picture;
        onward.enqueue(frame);
      },
    });
    // Both streams fail once the page has closed the PeerConnection, which is no error here.
    readable.pipeThrough(empty).pipeTo(writable).catch(() => {});
  }

  /** Take a binary message of the DataChannel, with its number in front. Throws PeerError. */
  channelMessage(data: ArrayBuffer): void {
    if (data.byteLength < MESSAGE_NUMBER_BYTES) throw new PeerError('malformed', 'no number');
    if (data.byteLength > LINK_MESSAGE_BYTES + MESSAGE_NUMBER_BYTES) {
      throw new PeerError('limit', 'a large message');
    }
    this.#deliver(new DataView(data).getUint32(0), data.slice(MESSAGE_NUMBER_BYTES));
    this.#watch();
  }

  /** Return the number before which every message is here, for a frame that is about to tell the client. */
  tellGot(): number {
    this.#told();
    return this.#order.next >>> 0;
  }

  /** Bytes that came and wait for a message before them. */
  get held_bytes(): number {
    return this.#order.held_bytes;
  }

  /** About how many bytes were sent before what came last, and are not here. */
  get missing_bytes(): number {
    return this.#order.missing_bytes(this.#unsent);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#gotTimer);
    clearTimeout(this.#missingTimer);
  }

  #takeFrame(encoded: EncodedFrame): ArrayBuffer | null {
    if (this.#isClosed) return null;
    try {
      const frame = this.#unwrap(encoded.data);
      if (!('got' in frame)) return frame.picture;
      if ('sent' in frame) this.#events.came?.(frame, encoded.data.byteLength, encoded);
      const { picture, got, unsent, messages } = frame;
      this.#events.got(got);
      // Frames may come out of order.
      if (((unsent - this.#unsent) | 0) > 0) this.#unsent = unsent;
      for (const [number, message] of messages) this.#deliver(number, message);
      this.#watch();
      return picture;
    } catch (error) {
      this.#events.failed(error instanceof PeerError ? error.code : 'internal');
      return null;
    }
  }

  #deliver(number: number, message: ArrayBuffer): void {
    for (const ready of this.#order.add(number, message)) {
      this.#fresh_bytes += ready.byteLength;
      this.#events.message(ready);
    }
    if (this.#isClosed) return;
    if (this.#fresh_bytes >= GOT_BYTES) this.#sayGot();
    else this.#gotTimer ??= setTimeout(() => this.#sayGot(), GOT_MS);
  }

  #told(): void {
    clearTimeout(this.#gotTimer);
    this.#gotTimer = undefined;
    this.#fresh_bytes = 0;
  }

  #sayGot(): void {
    this.#told();
    this.#events.say({ type: 'got', next: this.#order.next >>> 0 });
  }

  /** Set the timer for missing messages while some are, and clear it when none is. */
  #watch(): void {
    const isComplete = this.#order.behind(this.#unsent) === 0;
    if (isComplete || this.#order.next !== this.#awaited) {
      clearTimeout(this.#missingTimer);
      this.#missingTimer = undefined;
    }
    this.#awaited = this.#order.next;
    if (isComplete || this.#isClosed) return;
    this.#missingTimer ??= setTimeout(() => this.#askAgain(), Math.max(MISSING_MS, MISSING_RTTS * this.rtt_ms));
  }

  #askAgain(): void {
    this.#missingTimer = undefined;
    const gaps = this.#order.missing(this.#unsent, RESEND_GAPS);
    if (gaps.length > 0) this.#events.say({ type: 'resend', gaps });
    this.#watch();
  }
}
