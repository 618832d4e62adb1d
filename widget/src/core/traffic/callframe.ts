/** Messages in the place of an encoded frame's content, as links that look like calls have them.
 *
 * Each frame is sent with the length that the encoder gave it, and keeps only its beginning, which the stacks at both
 * ends read. The rest is a payload as in `framepacker.ts`, zeros, and `got u32 ‖ unsent u32`. The receiver hands its
 * decoder a picture of its own instead, so that it asks for no key frames. A frame too short for anything carries
 * nothing. `src/passerelle/core/media/callframe.py` is the client's half. docs/PROTOCOL.md §6.5 has the reasons.
 */

import { PeerError } from '../errors';
import { PICTURE_FRAME_BYTES } from '../limits';
import { takeMessages, type Brought } from './pictureframe';

const TRAILER_BYTES = 8;
/** Size of `backlog` at the start of a payload. */
const HEAD_BYTES = 2;
/** What a frame keeps of its beginning: of a key frame the tag, the start code and the size, of another one only the
 * bit that says that it is none (RFC 6386 §9.1). */
const KEY_BYTES = 10;
const DELTA_BYTES = 1;
/** A grey picture of 64 × 64 pixels, as libvpx encodes it. */
const KEY_PICTURE = '3003009d012a40004000390300001c2216162266122004904000c336df2192b2e48ff000';
/** The same picture once more, as the difference to the last one. */
const DELTA_PICTURE = '310200e3738808304e605f406160bfd000222e0000';

const isKey = (frame: Uint8Array) => frame.length > 0 && ((frame[0] as number) & 1) === 0;
const kept = (frame: Uint8Array) => (isKey(frame) ? KEY_BYTES : DELTA_BYTES);

/** Return the bytes that the payload of a frame may have; below 2, it carries nothing at all. */
export function roomOf(encoded: ArrayBuffer): number {
  return encoded.byteLength - kept(new Uint8Array(encoded)) - TRAILER_BYTES;
}

/** Return a frame as long as the encoder's, with `payload` in it. It has to fit. */
export function fill(encoded: ArrayBuffer, payload: ArrayBuffer, got: number, unsent: number): ArrayBuffer {
  const frame = new Uint8Array(encoded.byteLength);
  const start = kept(new Uint8Array(encoded));
  frame.set(new Uint8Array(encoded, 0, start));
  frame.set(new Uint8Array(payload), start);
  const view = new DataView(frame.buffer);
  view.setUint32(frame.length - TRAILER_BYTES, got);
  view.setUint32(frame.length - 4, unsent);
  return frame.buffer;
}

/** Take a frame apart; one that carries nothing has its picture only. Throws PeerError. */
export function unfill(frame: ArrayBuffer): Brought | Pick<Brought, 'picture'> {
  if (frame.byteLength > PICTURE_FRAME_BYTES) throw new PeerError('limit', 'a large frame');
  const bytes = new Uint8Array(frame);
  const picture = bytesOf(isKey(bytes) ? KEY_PICTURE : DELTA_PICTURE);
  if (roomOf(frame) < HEAD_BYTES) return { picture };
  const view = new DataView(frame);
  const end = frame.byteLength - TRAILER_BYTES;
  const messages = takeMessages(frame, kept(bytes) + HEAD_BYTES, end);
  return { picture, got: view.getUint32(end), unsent: view.getUint32(end + 4), messages };
}

function bytesOf(hex: string): ArrayBuffer {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16)).buffer;
}
