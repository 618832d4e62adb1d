/** MessagePack, as much of it as the conversation with a broker needs: maps with text keys, lists, texts, bytes,
 * numbers, booleans and nil (https://github.com/msgpack/msgpack/blob/master/spec.md). */

import { PeerError } from '../../../widget/src/core/errors';

export type Value = null | boolean | number | string | Uint8Array | readonly Value[] | { readonly [name: string]: Value };

/** Most maps and lists inside each other in a message that is read. */
const DEPTH = 8;

const utf8 = new TextEncoder();
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
  else if (typeof value === 'string') writeBytes(utf8.encode(value), 0xd9, out);
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
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setBigUint64(0, BigInt(value));
  if (value < 128) out.push(value);
  else out.push(0xcf, ...new Uint8Array(bytes.buffer));
}

/** Write a length of one or two bytes in front: `kind` is the type with one byte, and the next number that with two. */
function writeBytes(bytes: Uint8Array, kind: number, out: number[]): void {
  if (bytes.length < 256) out.push(kind, bytes.length);
  else out.push(kind + 1, bytes.length >> 8, bytes.length & 255);
  for (const byte of bytes) out.push(byte);
}

/** Read bytes that must be exactly one value, from anybody. Throws PeerError. */
export function decode(bytes: Uint8Array): Value {
  const reader = new Reader(bytes);
  const value = reader.value(DEPTH);
  if (!reader.atEnd) throw new PeerError('malformed', 'bytes after a message');
  return value;
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  value(depth: number): Value {
    const kind = this.#number(1);
    if (kind < 0x80) return kind;
    if (kind >= 0xe0) return kind - 256;
    if (kind < 0x90) return this.#map(kind & 15, depth);
    if (kind < 0xa0) return this.#list(kind & 15, depth);
    if (kind < 0xc0) return text8(this.#take(kind & 31));
    switch (kind) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return this.#take(this.#number(1)).slice();
      case 0xc5: return this.#take(this.#number(2)).slice();
      case 0xca: return this.#view.getFloat32(this.#skip(4));
      case 0xcb: return this.#view.getFloat64(this.#skip(8));
      case 0xcc: return this.#number(1);
      case 0xcd: return this.#number(2);
      case 0xce: return this.#number(4);
      case 0xcf: return Number(this.#view.getBigUint64(this.#skip(8)));
      case 0xd9: return text8(this.#take(this.#number(1)));
      case 0xda: return text8(this.#take(this.#number(2)));
      case 0xdc: return this.#list(this.#number(2), depth);
      case 0xde: return this.#map(this.#number(2), depth);
      default: throw new PeerError('malformed', 'a value of an unknown kind');
    }
  }

  #list(length: number, depth: number): readonly Value[] {
    this.#enter(length, depth);
    return Array.from({ length }, () => this.value(depth - 1));
  }

  #map(length: number, depth: number): { readonly [name: string]: Value } {
    this.#enter(length, depth);
    const entries: [string, Value][] = [];
    for (let index = 0; index < length; index++) {
      const name = this.value(0);
      if (typeof name !== 'string') throw new PeerError('malformed', 'a key that is no text');
      entries.push([name, this.value(depth - 1)]);
    }
    return Object.fromEntries(entries);
  }

  /** Each item takes a byte at least, so a length beyond the message is an invented one. */
  #enter(length: number, depth: number): void {
    if (depth <= 0 || length > this.#bytes.length - this.#at) throw new PeerError('malformed', 'too much in a message');
  }

  #number(size: 1 | 2 | 4): number {
    const at = this.#skip(size);
    if (size === 1) return this.#view.getUint8(at);
    return size === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #take(length: number): Uint8Array {
    const at = this.#skip(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** Go on by `length` bytes, and return where they begin. */
  #skip(length: number): number {
    const at = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new PeerError('malformed', 'a message cut short');
    return at;
  }
}

function text8(bytes: Uint8Array): string {
  try {
    return text.decode(bytes);
  } catch {
    throw new PeerError('malformed', 'not UTF-8');
  }
}
