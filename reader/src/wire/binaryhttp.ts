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

type State = 'framing' | 'status' | 'fields' | 'content' | 'trailers' | 'padding';

/** More bytes must come first. */
const SHORT = Symbol('short');

/** Decodes one answer that arrives in chunks of any size. It holds one incomplete part, never content. */
export class AnswerDecoder {
  readonly #arrivals = new Arrivals();
  #at = 0;
  #state: State = 'framing';
  /** Whether parts have their length in front. */
  #isKnown = false;
  /** Whether a part of any length has begun. */
  #isBegun = false;
  /** Bytes still to come of the content, or of the present piece of it. */
  #left = 0;
  #status = 0;
  #fields: [string, string][] = [];
  #fieldBytes = 0;

  /** Take bytes, and return what they complete. Throws PeerError. */
  receive(data: Uint8Array): Event[] {
    this.#arrivals.add(data);
    const found: Event[] = [];
    try {
      for (;;) {
        this.#at = 0;
        const event = this.#step();
        this.#arrivals.drop(this.#at);
        if (event) found.push(event);
      }
    } catch (error) {
      if (error !== SHORT) throw error;
      return found;
    }
  }

  /** Return what is left when no more bytes come; the last event is `end`. Throws PeerError for an answer cut off. */
  end(): Event[] {
    const found: Event[] = [];
    while (this.#state !== 'padding') {
      const isBoundary = this.#state === 'fields' || this.#state === 'content' || this.#state === 'trailers';
      const isInside = this.#arrivals.bytes.length > 0 || this.#isBegun || this.#left > 0;
      const isInformational = this.#state === 'fields' && this.#status < 200;
      if (!isBoundary || isInside || isInformational) throw malformed('an answer cut off');
      found.push(...this.receive(Uint8Array.of(0)));
    }
    return found;
  }

  #step(): Event | undefined {
    switch (this.#state) {
      case 'framing': {
        const kind = this.#integer();
        if (kind !== 1 && kind !== 3) throw malformed('no answer');
        this.#isKnown = kind === 1;
        this.#state = 'status';
        return;
      }
      case 'status':
        this.#status = this.#integer();
        if (this.#status < 100 || this.#status > 599) throw malformed('no status');
        this.#state = 'fields';
        return;
      case 'fields': {
        if (!this.#section()) return;
        const fields = this.#taken();
        this.#state = this.#status < 200 ? 'status' : 'content';
        return this.#status < 200 ? undefined : { kind: 'head', status: this.#status, fields };
      }
      case 'content':
        return this.#content();
      case 'trailers':
        if (!this.#section()) return;
        this.#state = 'padding';
        return { kind: 'end', trailers: this.#taken() };
      case 'padding': {
        const { bytes } = this.#arrivals;
        if (bytes.length === 0) throw SHORT;
        if (bytes.some((byte) => byte !== 0)) throw malformed('bytes behind an answer');
        this.#at = bytes.length;
        return;
      }
    }
  }

  /** Take fields, and return whether the section is complete. */
  #section(): boolean {
    const { bytes } = this.#arrivals;
    if (this.#isKnown) {
      const size = this.#integer();
      if (size > MESSAGE_FIELDS_BYTES) throw tooMuch();
      const end = this.#at + size;
      if (end > bytes.length) throw SHORT;
      while (this.#at < end) this.#line(end);
      return true;
    }
    if (this.#at === bytes.length) throw SHORT;
    this.#isBegun = bytes[this.#at] !== 0;
    if (this.#isBegun) this.#line(null);
    else this.#at += 1;
    return !this.#isBegun;
  }

  /** Take one field. It must end before `end`, if that is known. */
  #line(end: number | null): void {
    let name, value: string;
    try {
      name = this.#string(MESSAGE_LINE_BYTES);
      value = this.#string(MESSAGE_FIELDS_BYTES);
    } catch (error) {
      throw error === SHORT && end !== null ? malformed('a field cut off') : error;
    }
    if (end !== null && this.#at > end) throw malformed('a field beyond its section');
    if (!NAME.test(name) || !VALUE.test(value)) throw malformed('a field that HTTP does not allow');
    this.#fields.push([name, value]);
    this.#fieldBytes += name.length + value.length;
    if (this.#fields.length > MESSAGE_FIELDS || this.#fieldBytes > MESSAGE_FIELDS_BYTES) throw tooMuch();
  }

  #content(): Event | undefined {
    if (this.#left === 0) {
      this.#left = this.#integer();
      this.#isBegun = this.#left > 0 && !this.#isKnown;
      if (this.#left === 0) this.#state = 'trailers';
      return;
    }
    const data = this.#arrivals.bytes.slice(0, this.#left);
    if (data.length === 0) throw SHORT;
    this.#at = data.length;
    this.#left -= data.length;
    if (this.#left === 0 && this.#isKnown) this.#state = 'trailers';
    return { kind: 'content', data };
  }

  #taken(): Fields {
    const fields = this.#fields;
    this.#fields = [];
    this.#fieldBytes = 0;
    return fields;
  }

  #integer(): number {
    const found = readInteger(this.#arrivals.bytes, this.#at);
    if (!found) throw SHORT;
    [, this.#at] = found;
    return found[0];
  }

  #string(most: number): string {
    const size = this.#integer();
    if (size > most) throw tooMuch();
    const end = this.#at + size;
    if (end > this.#arrivals.bytes.length) throw SHORT;
    const text = characters(this.#arrivals.bytes.subarray(this.#at, end));
    this.#at = end;
    return text;
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
