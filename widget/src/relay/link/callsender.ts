/** The pipe to the client of a link that looks like a call: pictures go out in a camera's rhythm, and messages in
 * the place of what the encoder made of them.
 *
 * The encoder decides how long frames are, so nothing goes faster because more waits. Nothing but text goes over the
 * DataChannel: what is sent shows neither when messages come nor how long they are.
 */

import type { LinkCode } from '../../core/errors';
import { LOW_WATER_BYTES } from '../../core/limits';
import { fill, roomOf } from '../../core/traffic/callframe';
import { lateness_ms, type Look } from '../../core/traffic/scene';
import { FramePacker } from '../../core/traffic/framepacker';
import { split } from '../../core/traffic/pieces';
import type { Got, Resend } from '../../core/wire/control';
import type { MessagePipe } from './outbox';
import type { EncodedFrame, FrameSource } from './videosender';

/** Frames after its own that a message is in once more, where there is room: it costs nothing. */
const REPEATS = 2;
/** Bytes of a payload without messages. */
const LEAST_BYTES = 2;

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
  readonly #packer = new FramePacker(0, REPEATS, true);
  readonly #look: Look;
  /** Bytes of the messages that were to be sent. */
  sent_bytes = 0;
  /** When the next picture is due. */
  #due_ms = performance.now();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isWatched = false;
  /** The code to close the channel with once the client has everything. */
  #end: LinkCode | null = null;

  constructor(channel: MessagePipe, source: FrameSource, look: Look, events: CallSenderEvents) {
    this.#channel = channel;
    this.#source = source;
    this.#look = look;
    this.#events = events;
    const replace = new TransformStream<EncodedFrame, EncodedFrame>({
      transform: (frame, onward) => {
        frame.data = this.#nextFrame(frame.data);
        onward.enqueue(frame);
      },
    });
    // Both streams fail once the page has closed the PeerConnection, which is no error here.
    source.readable.pipeThrough(replace).pipeTo(source.writable).catch(() => {});
    this.#tick();
  }

  get bufferedAmount(): number {
    return this.#packer.queued_bytes + this.#channel.bufferedAmount;
  }

  send(data: string | ArrayBuffer): void {
    if (typeof data === 'string') return this.#channel.send(data);
    this.sent_bytes += data.byteLength;
    for (const piece of split(data)) this.#packer.push(piece);
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
    // A camera takes pictures at equal times, also after one that was late.
    const now_ms = performance.now();
    this.#due_ms = Math.max(this.#due_ms + 1_000 / this.#look.frames_per_s, now_ms);
    if (this.#due_ms < Infinity) this.#timer = setTimeout(() => this.#tick(), this.#due_ms - now_ms + lateness_ms(this.#look, Math.random));
  }

  /** Return what is sent in the place of an encoded frame. */
  #nextFrame(encoded: ArrayBuffer): ArrayBuffer {
    const room = roomOf(encoded);
    if (room < LEAST_BYTES) return encoded;
    const payload = this.#packer.nextFrame(0, room);
    if (this.#isWatched && this.#packer.queued_bytes <= LOW_WATER_BYTES) {
      this.#isWatched = false;
      this.#events.writable();
    }
    return fill(encoded, payload, this.#events.tellGot(), this.#packer.unsent);
  }
}
