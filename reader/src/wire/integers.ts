/** Integers of QUIC (RFC 9000 §16), and bytes that are put together. */

import { PeerError } from '../../../widget/src/core/errors';

export type Bytes = Uint8Array<ArrayBuffer>;

export const NONE: Bytes = new Uint8Array(0);

/** Return a text as bytes. */
export const utf8 = (text: string): Bytes => new TextEncoder().encode(text);

/** Return the parts in one. */
export function join(parts: readonly Uint8Array[]): Bytes {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Return the shortest form of `value`, 0 to 2³⁰ − 1: nothing that a page sends is longer. */
export function integer(value: number): Bytes {
  if (value < 64) return Uint8Array.of(value);
  if (value < 16_384) return Uint8Array.of(0x40 | (value >> 8), value & 255);
  if (value >= 2 ** 30) throw new RangeError('a long message');
  return Uint8Array.of(0x80 | (value >> 24), (value >> 16) & 255, (value >> 8) & 255, value & 255);
}

/** Return the integer at `at` and the offset behind it; null if it is cut short.
 *
 * Throws PeerError for one of 2⁵³ or more, which can be no length. */
export function readInteger(data: Uint8Array, at: number): readonly [value: number, end: number] | null {
  const first = data[at];
  if (first === undefined) return null;
  const end = at + (1 << (first >> 6));
  if (end > data.length) return null;
  let value = first & 63;
  for (const byte of data.subarray(at + 1, end)) value = value * 256 + byte;
  if (value > Number.MAX_SAFE_INTEGER) throw new PeerError('limit', 'a huge number');
  return [value, end];
}

/** Bytes that arrive in pieces of any size, and are taken from the front. */
export class Arrivals {
  #bytes: Bytes = NONE;

  /** What has come and was not taken. It is valid until the next call. */
  get bytes(): Bytes {
    return this.#bytes;
  }

  add(data: Uint8Array): void {
    this.#bytes = this.#bytes.length ? join([this.#bytes, data]) : new Uint8Array(data);
  }

  /** Drop the first `size` bytes. */
  drop(size: number): void {
    this.#bytes = this.#bytes.subarray(size);
  }
}
