/** MessagePack, as much of it as the conversation with a broker needs: maps with text keys, lists, texts, bytes,
 * numbers, booleans and nil (https://github.com/msgpack/msgpack/blob/master/spec.md). */

import { PeerError } from '../../../widget/src/core/errors';
import { utf8 } from '../wire/integers';

export type Value = null | boolean | number | string | Uint8Array | readonly Value[] | { readonly [name: string]: Value };

/** Most maps and lists inside each other in a message that is read. */
const DEPTH = 8;

const text = new TextDecoder('utf-8', { fatal: true });

/** Return `value` as bytes. Numbers must be integers from 0 to 2^53 - 1. */
export function encode(value: Value): Uint8Array<ArrayBuffer> {
  const out: number[] = [];
  write(value, out);
  return Uint8Array.from(out);
}

function write(value: Value, out: number[]): void {
  if (value === null) out.push(0xc0);
  else if (typeof value === 'boolean') out.push(value ? 0xc3 : 0xc2);
  else if (typeof value === 'number') writeInteger(value, out);
  else if (typeof value === 'string') writeBytes(utf8(value), 0xd9, out);
  else if (value instanceof Uint8Array) writeBytes(value, 0xc4, out);
  else if (Array.isArray(value)) {
    out.push(0xdc, value.length >> 8, value.length & 255);
    for (const item of value) write(item, out);
  } else {
    const entries = Object.entries(value);
    out.push(0xde, entries.length >> 8, entries.length & 255);
    for (const [name, item] of entries) {
      write(name, out);
      write(item, out);
    }
  }
}

function writeInteger(value: number, out: number[]): void {
  if (value < 128) out.push(value);
  else out.push(0xcf, ...Array.from({ length: 8 }, (_, place) => Math.floor(value / 256 ** (7 - place)) % 256));
}

/** Write a length of one or two bytes in front: `kind` is the type with one byte, and the next number that with two. */
function writeBytes(bytes: Uint8Array, kind: number, out: number[]): void {
  if (bytes.length < 256) out.push(kind, bytes.length);
  else out.push(kind + 1, bytes.length >> 8, bytes.length & 255);
  for (const byte of bytes) out.push(byte);
}

/** Read bytes that must be exactly one value, from anybody. Throws PeerError. */
export function decode(bytes: Uint8Array): Value {
  let at = 0;

  const take = (length: number): Uint8Array<ArrayBuffer> => {
    at += length;
    if (at > bytes.length) throw malformed('a message cut short');
    return bytes.slice(at - length, at);
  };
  const number = (size: number): number => take(size).reduce((sum, byte) => sum * 256 + byte, 0);
  const characters = (length: number): string => {
    try {
      return text.decode(take(length));
    } catch {
      throw malformed('not UTF-8');
    }
  };
  /** Return `length` of what `read` reads. Each takes a byte at least, so a length beyond the message is an invented one. */
  const several = <T>(length: number, depth: number, read: () => T): T[] => {
    if (depth <= 0 || length > bytes.length - at) throw malformed('too much in a message');
    return Array.from({ length }, read);
  };
  const list = (length: number, depth: number) => several(length, depth, () => value(depth - 1));
  const map = (length: number, depth: number) =>
    Object.fromEntries(several(length, depth, () => [name(), value(depth - 1)] as const));
  const name = (): string => {
    const given = value(0);
    if (typeof given !== 'string') throw malformed('a key that is no text');
    return given;
  };
  const value = (depth: number): Value => {
    const kind = number(1);
    if (kind < 0x80) return kind;
    if (kind < 0x90) return map(kind & 15, depth);
    if (kind < 0xa0) return list(kind & 15, depth);
    if (kind < 0xc0) return characters(kind & 31);
    if (kind >= 0xe0) return kind - 256;
    switch (kind) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: case 0xc5: return take(number(kind - 0xc3));
      case 0xcb: return new DataView(take(8).buffer).getFloat64(0);
      case 0xcc: case 0xcd: case 0xce: case 0xcf: return number(2 ** (kind - 0xcc));
      case 0xd9: case 0xda: return characters(number(kind - 0xd8));
      case 0xdc: return list(number(2), depth);
      case 0xde: return map(number(2), depth);
      default: throw malformed('a value of an unknown kind');
    }
  };

  const whole = value(DEPTH);
  if (at < bytes.length) throw malformed('bytes after a message');
  return whole;
}

const malformed = (what: string) => new PeerError('malformed', what);
