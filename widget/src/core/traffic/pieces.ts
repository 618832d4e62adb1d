/** Link messages in pieces, so that a frame of any length can be filled.
 *
 * A piece is one byte, 1 for the last piece of its message and 0 for the others, and up to `PIECE_BYTES` of the
 * message. Pieces are numbered and acknowledged as whole messages are on other links.
 * `src/passerelle/core/media/pieces.py` is the client's half.
 */

import { PeerError } from '../errors';
import { LINK_MESSAGE_BYTES, MESSAGE_PIECES } from '../limits';

const PIECE_BYTES = 240;

/** Yield the pieces of a message of at least one byte. */
export function* split(message: ArrayBuffer): Generator<ArrayBuffer> {
  for (let at = 0; at < message.byteLength; at += PIECE_BYTES) {
    const part = new Uint8Array(message, at, Math.min(PIECE_BYTES, message.byteLength - at));
    const piece = new Uint8Array(part.length + 1);
    piece[0] = at + PIECE_BYTES >= message.byteLength ? 1 : 0;
    piece.set(part, 1);
    yield piece.buffer;
  }
}

/** Makes messages of pieces that come in order. */
export class Joiner {
  #parts: Uint8Array[] = [];
  #bytes = 0;

  /** Return the message that `piece` ends; null when it ends none. Throws PeerError. */
  join(piece: ArrayBuffer): ArrayBuffer | null {
    const data = new Uint8Array(piece);
    const [mark = 2] = data;
    if (data.length < 2 || mark > 1) throw new PeerError('malformed', 'a piece of no message');
    this.#bytes += data.length - 1;
    if (this.#bytes > LINK_MESSAGE_BYTES || this.#parts.length >= MESSAGE_PIECES) {
      throw new PeerError('limit', 'a large message');
    }
    this.#parts.push(data.subarray(1));
    if (mark === 0) return null;
    const message = new Uint8Array(this.#bytes);
    let at = 0;
    for (const part of this.#parts) {
      message.set(part, at);
      at += part.length;
    }
    this.#parts = [];
    this.#bytes = 0;
    return message.buffer;
  }
}
