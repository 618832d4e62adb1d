/** The frames of a media link of version 2: the encoder's own bytes, then our payload, then a trailer.
 *
 * The payload is as in version 1 (`framepacker.ts`). The trailer is
 * `got u32 ‖ unsent u32 ‖ sent u32 ‖ picture u32`: the number before which the sender has every message of the other
 * direction, the number of the first message that was never sent, when the frame is sent, and the length of the
 * encoder's bytes. The receiver gives those to its decoder, so that a video goes on as in a call. docs/PROTOCOL.md §6.5 has the reasons.
 */

import { PeerError } from '../errors';
import { KIB, LINK_MESSAGE_BYTES, LONGEST_PICTURE_BYTES, PICTURE_FRAME_BYTES } from '../limits';
import { PICTURE_SIDE } from '../wire/description';

const TRAILER_BYTES = 16;
/** Steps in a millisecond of the clock that says when a frame is sent. */
const SENT_PER_MS = 10;
const HEAD_BYTES = 2;
const RECORD_BYTES = 6;
/** Start code of a VP8 key frame (RFC 6386 §9.1), width and height follow it. */
const START_CODE = 0x9d012a;
const SIZE_MASK = 0x3fff;

/** What a frame has beside the encoder's bytes and the payload. */
export const OVERHEAD_BYTES = TRAILER_BYTES;

/** What a frame brought. */
export interface Brought {
  /** The encoder's own bytes. */
  readonly picture: ArrayBuffer;
  /** 32-bit number before which the sender has every message of the other direction. */
  readonly got: number;
  /** 32-bit number of the first message that the sender had never sent. */
  readonly unsent: number;
  /** Messages with their 32-bit numbers. */
  readonly messages: readonly (readonly [number: number, message: ArrayBuffer])[];
}

export interface PictureFrame extends Brought {
  /** When the frame was sent, in tenths of a millisecond of the sender's clock, modulo 2³². */
  readonly sent: number;
  /** What waited at the sender behind this frame, in steps of a KiB. */
  readonly backlog_bytes: number;
}

/** Return a frame with `payload` behind `picture`. `now_ms` may be of any clock that never goes back. */
export function wrap(
  picture: ArrayBuffer,
  payload: ArrayBuffer,
  got: number,
  unsent: number,
  now_ms: number,
): ArrayBuffer {
  const end = picture.byteLength + payload.byteLength;
  const frame = new Uint8Array(end + TRAILER_BYTES);
  frame.set(new Uint8Array(picture));
  frame.set(new Uint8Array(payload), picture.byteLength);
  const view = new DataView(frame.buffer);
  view.setUint32(end, got);
  view.setUint32(end + 4, unsent);
  view.setUint32(end + 8, Math.round(now_ms * SENT_PER_MS));
  view.setUint32(end + 12, picture.byteLength);
  return frame.buffer;
}

/** Take a frame apart. Throws PeerError. */
export function unwrap(frame: ArrayBuffer): PictureFrame {
  if (frame.byteLength > PICTURE_FRAME_BYTES) throw new PeerError('limit', 'a large frame');
  const view = new DataView(frame);
  const end = frame.byteLength - TRAILER_BYTES;
  const size = end < 0 ? Infinity : view.getUint32(end + 12);
  const at = size + HEAD_BYTES;
  if (at > end) throw new PeerError('malformed', 'a frame shorter than it says');
  checkPicture(view, size);
  const messages = takeMessages(frame, at, end);
  const [got, unsent, sent] = [0, 4, 8].map((offset) => view.getUint32(end + offset)) as [number, number, number];
  const backlog_bytes = KIB * view.getUint16(size);
  return { picture: frame.slice(0, size), got, unsent, sent, backlog_bytes, messages };
}

/** Return the messages of a frame's payload with their numbers. Its records are from `at` to `end`. Throws PeerError. */
export function takeMessages(frame: ArrayBuffer, at: number, end: number): [number: number, message: ArrayBuffer][] {
  const view = new DataView(frame);
  const messages: [number, ArrayBuffer][] = [];
  while (at + RECORD_BYTES <= end) {
    const number = view.getUint32(at);
    const length = view.getUint16(at + 4);
    if (length === 0) break;
    at += RECORD_BYTES;
    if (length > LINK_MESSAGE_BYTES) throw new PeerError('limit', 'a large message');
    if (at + length > end) throw new PeerError('malformed', 'a message cut off');
    messages.push([number, frame.slice(at, at + length)]);
    at += length;
  }
  return messages;
}

/** Refuse a picture that is larger than ours, because a decoder makes room for what it says.
 *
 * Only key frames say a size. Other frames, with the lowest bit set, have that of the last one. The browser keeps any
 * that it cannot decode yet, as long as they are. */
function checkPicture(view: DataView, size: number): void {
  if (size > LONGEST_PICTURE_BYTES) throw new PeerError('limit', 'a long picture');
  if (size === 0 || view.getUint8(0) & 1) return;
  if (size < 10) throw new PeerError('malformed', 'a key frame cut short');
  const side = Math.max(view.getUint16(6, true) & SIZE_MASK, view.getUint16(8, true) & SIZE_MASK);
  const isStart = view.getUint32(2) % 2 ** 24 === START_CODE;
  if (!isStart || side > PICTURE_SIDE) throw new PeerError('limit', 'a large picture');
}
