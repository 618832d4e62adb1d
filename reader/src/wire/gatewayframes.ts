/** Messages between a reading page and a gateway: each binary message of the link is `id u32 ‖ type u8 ‖ body`.
 *
 * Credit is kept for each answer, and with id 0 for the whole link. The table of frames is in docs/PROTOCOL.md, §10. */

import { PeerError } from '../../../widget/src/core/errors';
import { LINK_MESSAGE_BYTES } from '../../../widget/src/core/limits';
import { type Bytes, NONE } from './integers';

export const SUBPROTOCOL = 'passerelle.o1';
/** The id that stands for the link: in `credit`, and in all of `ping` and `pong`. */
export const LINK_ID = 0;

const KINDS = ['request', 'request_end', 'answer', 'answer_end', 'credit', 'reset', 'ping', 'pong'] as const;
const RESETS = ['cancelled', 'malformed', 'key', 'replayed', 'limit', 'broken', 'draining'] as const;
const HEADER_BYTES = 5;

/** Longest body of a frame. */
export const FRAME_BODY_BYTES = LINK_MESSAGE_BYTES - HEADER_BYTES;

export type Payload = 'request' | 'request_end' | 'answer' | 'answer_end';
export type Reset = (typeof RESETS)[number];

export type Frame =
  | { readonly kind: Payload; readonly id: number; readonly body: Bytes }
  | { readonly kind: 'credit'; readonly id: number; readonly count: number }
  | { readonly kind: 'ping' | 'pong'; readonly id: typeof LINK_ID; readonly mark: number }
  | { readonly kind: 'reset'; readonly id: number; readonly code: Reset };

/** Return a frame with a part of a message, at most FRAME_BODY_BYTES of it. */
export const encode = (id: number, kind: Payload, body: Uint8Array = NONE): Bytes => frame(id, kind, body);

/** Return a frame that allows `count` more bytes, at least 1. */
export const encodeCredit = (id: number, count: number): Bytes => frame(id, 'credit', number32(count));

/** Return a frame that the other end answers at once with a `pong` of the same mark, a number below 2^32. */
export const encodePing = (mark: number): Bytes => frame(LINK_ID, 'ping', number32(mark));
export const encodePong = (mark: number): Bytes => frame(LINK_ID, 'pong', number32(mark));

/** Return a frame that ends a request. */
export const encodeReset = (id: number, code: Reset): Bytes =>
  frame(id, 'reset', Uint8Array.of(RESETS.indexOf(code)));

/** Return the frames of a sealed request. */
export function* requestFrames(id: number, message: Uint8Array): Generator<Bytes> {
  let at = 0;
  for (; message.length - at > FRAME_BODY_BYTES; at += FRAME_BODY_BYTES) {
    yield encode(id, 'request', message.subarray(at, at + FRAME_BODY_BYTES));
  }
  yield encode(id, 'request_end', message.subarray(at));
}

/** Read one message; null for a frame of an unknown type. Throws PeerError. */
export function decode(message: Uint8Array): Frame | null {
  if (message.length > LINK_MESSAGE_BYTES) throw new PeerError('limit', 'a long message');
  if (message.length < HEADER_BYTES) throw malformed();
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const id = view.getUint32(0);
  const kind = KINDS[view.getUint8(4) - 1];
  if (!kind) return null;
  const body = new Uint8Array(message.subarray(HEADER_BYTES));
  if (kind === 'ping' || kind === 'pong') {
    if (id !== LINK_ID || body.length !== 4) throw malformed();
    return { kind, id, mark: view.getUint32(HEADER_BYTES) };
  }
  if (id === LINK_ID && kind !== 'credit') throw malformed();
  if (kind === 'credit') {
    const count = body.length === 4 ? view.getUint32(HEADER_BYTES) : 0;
    if (!count) throw malformed();
    return { kind, id, count };
  }
  if (kind === 'reset') {
    const [code] = body;
    if (code === undefined || body.length > 1) throw malformed();
    return { kind, id, code: RESETS[code] ?? 'broken' };
  }
  return { kind, id, body };
}

function frame(id: number, kind: (typeof KINDS)[number], body: Uint8Array): Bytes {
  const message = new Uint8Array(HEADER_BYTES + body.length);
  const view = new DataView(message.buffer);
  view.setUint32(0, id);
  view.setUint8(4, KINDS.indexOf(kind) + 1);
  message.set(body, HEADER_BYTES);
  return message;
}

function number32(value: number): Bytes {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

const malformed = () => new PeerError('malformed', 'a frame that cannot be read');
