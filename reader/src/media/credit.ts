/** The credit of a link with video, in place of the one that the link gives by itself.
 *
 * A link's own credit is large, because a DataChannel says nothing of its path. A video's window is as short as the path
 * allows, so that what is asked for meanwhile waits for little.
 */

import { GATEWAY_CREDIT_BYTES } from '../limits';
import { encodeCredit, LINK_ID } from '../wire/gatewayframes';
import type { Bytes } from '../wire/integers';

/** A window is told in so many parts. */
const PARTS = 16;
/** A frame of a kind that says only that the link lives. */
export const LIFE = Uint8Array.of(0, 0, 0, 0, 255);

/** A frame is `id u32 ‖ type u8 ‖ body`; that of ANSWER and ANSWER_END is bytes, that of the others a number. */
const HEADER_BYTES = 5;
const NUMBERED_BYTES = HEADER_BYTES + 4;
const ANSWERS = [3, 4];
const CREDIT = 5;
const PING = 7;
const PONG = 8;

export class LinkCredit {
  /** Bytes of answers that were allowed and have not come. */
  #room = GATEWAY_CREDIT_BYTES;
  #ping: { readonly mark: number; readonly sent_ms: number } | null = null;

  /** Look at a message for the gateway; return whether it is to be sent. */
  passes(message: Bytes, now_ms: number): boolean {
    if (message[4] === PING) this.#ping = { mark: numberOf(message), sent_ms: now_ms };
    return message[4] !== CREDIT || idOf(message) !== LINK_ID;
  }

  /** Look at a message of the gateway; return how long a round trip took that it ends. */
  came(message: Uint8Array, now_ms: number): number | null {
    if (ANSWERS.includes(message[4] ?? 0)) this.#room -= message.length - HEADER_BYTES;
    if (message[4] !== PONG || message.length !== NUMBERED_BYTES || numberOf(message) !== this.#ping?.mark) return null;
    const { sent_ms } = this.#ping;
    this.#ping = null;
    return now_ms - sent_ms;
  }

  /** Return the message that lets the gateway send up to `window_bytes`; null while it would say little. */
  credit(window_bytes: number): Bytes | null {
    const gone = window_bytes - this.#room;
    if (gone <= 0 || gone < window_bytes / PARTS) return null;
    this.#room += gone;
    return encodeCredit(LINK_ID, gone);
  }
}

const view = ({ buffer, byteOffset, length }: Uint8Array) => new DataView(buffer, byteOffset, length);
const idOf = (message: Uint8Array) => view(message).getUint32(0);
const numberOf = (message: Uint8Array) => view(message).getUint32(HEADER_BYTES);
