/** The pipe to the client of a link that looks like a call: pictures go out in a call's rhythm, and messages in
 * their frames.
 *
 * Nothing goes faster because more waits, and nothing goes over the DataChannel once frames come: what is sent
 * shows neither when messages come nor how long they are.
 */

import type { LinkCode } from '../../core/errors';
import { LOW_WATER_BYTES } from '../../core/limits';
import { CallShape, FRAMES_PER_S, normal } from '../../core/traffic/callshape';
import { FramePacker } from '../../core/traffic/framepacker';
import { OVERHEAD_BYTES, wrap } from '../../core/traffic/pictureframe';
import { split } from '../../core/traffic/pieces';
import type { Got, Resend } from '../../core/wire/control';
import type { MessagePipe } from './outbox';
import type { EncodedFrame, FrameSource } from './videosender';

const PERIOD_MS = 1_000 / FRAMES_PER_S;
/** Pieces that may go over the DataChannel before the first frame comes. */
const CHANNEL_PIECES = 256;
/** The rate with which a browser begins a call. */
const START_BIT_S = 300_000;

export interface CallSenderEvents {
  /** Little waits for frames now, and `watch` had asked to be told. */
  writable(): void;
  /** A picture was asked for. */
  ticked(): void;
  /** Return the number before which all of the client's messages are here, for a frame that tells it. */
  tellGot(): number;
}

export class CallSender implements MessagePipe {
  readonly #channel: MessagePipe;
  readonly #source: FrameSource;
  readonly #events: CallSenderEvents;
  readonly #packer = new FramePacker();
  readonly #shape = new CallShape();
  /** The rate that the browser's congestion control allows. */
  rate_bit_s = START_BIT_S;
  /** Bytes of the messages that were to be sent. */
  sent_bytes = 0;
  #hasFrames = false;
  /** When the next picture is due. */
  #due_ms = performance.now();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isWatched = false;
  /** The code to close the channel with once the client has everything. */
  #end: LinkCode | null = null;

  constructor(channel: MessagePipe, source: FrameSource, events: CallSenderEvents) {
    this.#channel = channel;
    this.#source = source;
    this.#events = events;
    const fill = new TransformStream<EncodedFrame, EncodedFrame>({
      transform: (frame, onward) => {
        frame.data = this.#nextFrame(frame.data);
        onward.enqueue(frame);
      },
    });
    // Both streams fail once the page has closed the PeerConnection, which is no error here.
    source.readable.pipeThrough(fill).pipeTo(source.writable).catch(() => {});
    this.#tick();
  }

  get bufferedAmount(): number {
    return this.#packer.queued_bytes + this.#channel.bufferedAmount;
  }

  send(data: string | ArrayBuffer): void {
    if (typeof data === 'string') return this.#channel.send(data);
    this.sent_bytes += data.byteLength;
    for (const piece of split(data)) this.#packer.push(piece);
    if (this.#hasFrames || this.#packer.count >= CHANNEL_PIECES) return;
    for (let piece = this.#packer.shift(); piece; piece = this.#packer.shift()) this.#channel.send(piece);
  }

  /** Take what the client says about the pieces it has. Throws PeerError. */
  hear(message: Got | Resend): void {
    if (message.type === 'resend') return this.#packer.resend(message.gaps);
    this.#packer.acknowledge(message.next);
    if (this.#end !== null && this.#packer.isDone) this.#close(this.#end);
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

  #close(code: LinkCode): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#due_ms = Infinity;
    this.#packer.clear();
    this.#channel.close(code);
  }

  #tick(): void {
    this.#source.requestFrame();
    this.#events.ticked();
    // A camera's pictures come at equal times, also after one that was late.
    const now_ms = performance.now();
    this.#due_ms = Math.max(this.#due_ms + PERIOD_MS, now_ms);
    if (this.#due_ms < Infinity) this.#timer = setTimeout(() => this.#tick(), this.#due_ms - now_ms);
  }

  /** Return the bytes for the frame that just came, of which the encoder made `picture`. */
  #nextFrame(picture: ArrayBuffer): ArrayBuffer {
    this.#hasFrames = true;
    const [first = 1] = new Uint8Array(picture);
    const isKey = (first & 1) === 0; // RFC 6386 §9.1
    const size = this.#shape.nextFrame(this.rate_bit_s, this.#packer.queued_bytes, isKey, normal(Math.random));
    const room = size - picture.byteLength - OVERHEAD_BYTES;
    const payload = this.#packer.nextFrame(0, room);
    const padded = new Uint8Array(Math.max(payload.byteLength, room));
    padded.set(new Uint8Array(payload));
    if (this.#isWatched && this.#packer.queued_bytes <= LOW_WATER_BYTES) {
      this.#isWatched = false;
      this.#events.writable();
    }
    return wrap(picture, padded.buffer, this.#events.tellGot(), this.#packer.unsent, performance.now());
  }
}
