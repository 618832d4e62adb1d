/** HTTP messages as bytes: Binary HTTP (RFC 9292).
 *
 * A page writes requests of known length and reads answers of either kind, as they arrive. Field values are strings
 * with a character for each byte, as browsers have them. */

import { PeerError } from '../../../widget/src/core/errors';
import { MESSAGE_FIELDS, MESSAGE_FIELDS_BYTES, MESSAGE_LINE_BYTES } from '../limits';
import { Arrivals, type Bytes, integer, join, NONE, readInteger } from './integers';

export type Fields = readonly (readonly [name: string, value: string])[];

export interface Request {
  readonly method: string;
  readonly scheme: string;
  readonly authority: string;
  readonly path: string;
  /** Names in lower case. */
  readonly fields: Fields;
  readonly content: Uint8Array;
}

export type Event =
  | { readonly kind: 'head'; readonly status: number; readonly fields: Fields }
  | { readonly kind: 'content'; readonly data: Bytes }
  | { readonly kind: 'end'; readonly trailers: Fields };

/** The smallest padded size of a request; each further one is twice as large. */
const LEAST_REQUEST_BYTES = 512;
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
/** Blanks at either end are no part of a value (RFC 9110 §5.5). */
const VALUE = /^(?:[^\x00-\x20\x7f](?:[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?)?$/;

/** Return a request, without padding. */
export function encodeRequest({ method, scheme, authority, path, fields, content }: Request): Bytes {
  const control = [method, scheme, authority, path].map((part) => prefixed(latin(part)));
  return join([Uint8Array.of(0), ...control, prefixed(lines(fields)), prefixed(content), Uint8Array.of(0)]);
}

/** Return a message with zeros behind it, up to `LEAST_REQUEST_BYTES` times a power of two. */
export function pad(message: Uint8Array): Bytes {
  let size = LEAST_REQUEST_BYTES;
  while (size < message.length) size *= 2;
  const padded = new Uint8Array(size);
  padded.set(message);
  return padded;
}

/** Decodes one answer that arrives in chunks of any size. It holds one incomplete part, never content. */
export class AnswerDecoder {
  readonly #arrivals = new Arrivals();
  readonly #events = this.#read();
  /** Whether the answer may end before the next part begins, which then counts as empty (RFC 9292 §3.8). */
  #mayEnd = false;
  #isOver = false;
  /** Bytes that were taken so far. */
  #at = 0;

  /** Take bytes, and return what they complete. Throws PeerError. */
  receive(data: Uint8Array): Event[] {
    this.#arrivals.add(data);
    const found: Event[] = [];
    for (;;) {
      const event = this.#events.next().value;
      if (!event) return found;
      found.push(event);
    }
  }

  /** Return what is left when no more bytes come; the last event is `end`. Throws PeerError for an answer cut off. */
  end(): Event[] {
    const found: Event[] = [];
    while (!this.#isOver) {
      if (!this.#mayEnd || this.#arrivals.bytes.length > 0) throw malformed('an answer cut off');
      found.push(...this.receive(Uint8Array.of(0)));
    }
    return found;
  }

  /** Yields what is complete, and null where more bytes must come first. */
  *#read(): Generator<Event | null, undefined> {
    const kind = yield* this.#integer();
    if (kind !== 1 && kind !== 3) throw malformed('no answer');
    /** Whether parts have their length in front. */
    const isKnown = kind === 1;
    let status, fields;
    do {
      status = yield* this.#integer();
      if (status < 100 || status > 599) throw malformed('no status');
      this.#mayEnd = status >= 200;
      fields = yield* this.#section(isKnown);
    } while (status < 200);
    yield { kind: 'head', status, fields };
    this.#mayEnd = true;
    let left;
    do {
      left = yield* this.#integer();
      this.#mayEnd = false;
      for (let rest = left; rest > 0; ) {
        const data = this.#drop(Math.min(rest, this.#arrivals.bytes.length));
        rest -= data.length;
        yield data.length > 0 ? { kind: 'content', data } : null;
      }
    } while (left > 0 && !isKnown);
    this.#mayEnd = true;
    const trailers = yield* this.#section(isKnown);
    this.#isOver = true;
    yield { kind: 'end', trailers };
    for (;;) {
      if (this.#drop(this.#arrivals.bytes.length).some((byte) => byte !== 0)) throw malformed('bytes behind an answer');
      yield null;
    }
  }

  /** Known sections have their length in front, and a zero ends others. */
  *#section(isKnown: boolean): Generator<null, Fields> {
    const fields: [string, string][] = [];
    let sum = 0;
    let size = yield* this.#integer();
    const end = this.#at + size;
    this.#mayEnd = false;
    if (isKnown && size > MESSAGE_FIELDS_BYTES) throw tooMuch();
    while (isKnown ? this.#at < end : size > 0) {
      if (isKnown) size = yield* this.#integer();
      const name = yield* this.#text(size, MESSAGE_LINE_BYTES);
      const value = yield* this.#text(yield* this.#integer(), MESSAGE_FIELDS_BYTES);
      if (isKnown && this.#at > end) throw malformed('a field beyond its section');
      if (!NAME.test(name) || !VALUE.test(value)) throw malformed('a field that HTTP does not allow');
      sum += name.length + value.length;
      if (fields.push([name, value]) > MESSAGE_FIELDS || sum > MESSAGE_FIELDS_BYTES) throw tooMuch();
      if (!isKnown) size = yield* this.#integer();
    }
    return fields;
  }

  *#integer(): Generator<null, number> {
    for (;;) {
      const found = readInteger(this.#arrivals.bytes, 0);
      if (found) {
        this.#drop(found[1]);
        return found[0];
      }
      yield null;
    }
  }

  *#text(size: number, most: number): Generator<null, string> {
    if (size > most) throw tooMuch();
    while (this.#arrivals.bytes.length < size) yield null;
    return characters(this.#drop(size));
  }

  /** Take `size` bytes that have come. */
  #drop(size: number): Bytes {
    const bytes = this.#arrivals.bytes.slice(0, size);
    this.#arrivals.drop(size);
    this.#at += size;
    return bytes;
  }
}

/** Return a byte for each character. */
function latin(text: string): Bytes {
  const bytes = new Uint8Array(text.length);
  for (let n = 0; n < text.length; n++) {
    const code = text.charCodeAt(n);
    if (code > 255) throw new RangeError('a character that HTTP has no byte for');
    bytes[n] = code;
  }
  return bytes;
}

/** Return a character for each byte. */
function characters(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

const prefixed = (data: Uint8Array): Bytes => (data.length ? join([integer(data.length), data]) : Uint8Array.of(0));

const lines = (fields: Fields): Bytes =>
  fields.length ? join(fields.flatMap((line) => line.map((text) => prefixed(latin(text))))) : NONE;

const malformed = (what: string) => new PeerError('malformed', what);
const tooMuch = () => new PeerError('limit', 'too much in an HTTP message');
