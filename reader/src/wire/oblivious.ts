/** Sealed HTTP requests and answers: Oblivious HTTP (RFC 9458) in chunks (draft-ietf-ohai-chunked-ohttp-08).
 *
 * A request is `key id u8 ‖ KEM u16 ‖ KDF u16 ‖ AEAD u16 ‖ enc (32) ‖ chunks`, an answer `nonce (16) ‖ chunks`.
 * Chunks are `length ‖ ciphertext`, and the last one `0 ‖ ciphertext` up to the end. It is sealed with other
 * associated data, so that nobody can cut a message off. */

import { PeerError } from '../../../widget/src/core/errors';
import { SEALED_CHUNK_BYTES } from '../limits';
import { derive, encapsulate } from './hpke';
import { Arrivals, type Bytes, join, readInteger, utf8 } from './integers';

const REQUEST_LABEL = 'message/bhttp chunked request';
const ANSWER_LABEL = 'message/bhttp chunked response';
const NONCE_BYTES = 16;
const CONFIGURATION_BYTES = 41;
const ALGORITHMS = [0x0020, 0x0001, 0x0001] as const;

const FINAL = utf8('final');

export interface KeyConfiguration {
  readonly keyId: number;
  readonly publicKey: Bytes;
}

/** Read the 41 bytes of a key configuration (RFC 9458 §3.1). Throws PeerError for other algorithms than ours. */
export function readConfiguration(data: Uint8Array): KeyConfiguration {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  if (data.length !== CONFIGURATION_BYTES) throw new PeerError('malformed', 'a key configuration');
  const given = [view.getUint16(1), view.getUint16(37), view.getUint16(39)];
  if (view.getUint16(35) !== 4 || given.some((value, n) => value !== ALGORITHMS[n])) {
    throw new PeerError('malformed', 'a key configuration with other algorithms');
  }
  return { keyId: view.getUint8(0), publicKey: new Uint8Array(data.subarray(3, 35)) };
}

/** Return the 7 bytes that a request begins with. */
export function header(keyId: number): Bytes {
  const bytes = new Uint8Array(7);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, keyId);
  ALGORITHMS.forEach((value, n) => view.setUint16(1 + 2 * n, value));
  return bytes;
}

export interface SealedRequest {
  /** The request as it travels. */
  readonly message: Bytes;
  /** Return what opens the answer. It may be asked for once. */
  answer(): AnswerOpener;
}

/** Seal a request in one chunk. Only a test hands in the `ephemeral` key. */
export async function sealRequest(
  { keyId, publicKey }: KeyConfiguration,
  plaintext: Bytes,
  ephemeral?: CryptoKeyPair,
): Promise<SealedRequest> {
  const first = header(keyId);
  const info = join([utf8(REQUEST_LABEL), Uint8Array.of(0), first]);
  const { context, enc } = await encapsulate(publicKey, info, ephemeral);
  const [sealed, secret] = await Promise.all([
    context.seal(plaintext, FINAL),
    context.export(utf8(ANSWER_LABEL), NONCE_BYTES),
  ]);
  return {
    message: join([first, enc, Uint8Array.of(0), sealed]),
    answer: () => new AnswerOpener(secret, enc),
  };
}

/** Return key and base nonce of an answer, as bits (RFC 9458 §4.4). */
export function answerKeys(secret: Bytes, enc: Bytes, nonce: Bytes): Promise<readonly [Bytes, Bytes]> {
  const salt = join([enc, nonce]);
  return Promise.all([derive(salt, secret, utf8('key'), 16), derive(salt, secret, utf8('nonce'), 12)]);
}

interface Cipher {
  readonly key: CryptoKey;
  readonly base: Bytes;
}

/** Opens an answer that arrives in pieces of any size. It holds one incomplete chunk.
 *
 * Each call waits for the one before it, so pieces may be handed in as they come. After a failure every call fails, because
 * a later chunk can still be opened, and would leave a hole where the altered one was. */
export class AnswerOpener {
  readonly #secret: Bytes;
  readonly #enc: Bytes;
  readonly #arrivals = new Arrivals();
  #cipher: Cipher | undefined;
  #count = 0;
  #isLast = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(secret: Bytes, enc: Bytes) {
    this.#secret = secret;
    this.#enc = enc;
  }

  /** Return the chunks that are complete. Rejects with PeerError. */
  receive(data: Uint8Array): Promise<Bytes[]> {
    return this.#inTurn(() => this.#receive(data));
  }

  /** Return the last chunk, once everything has been handed in. Rejects with PeerError for an answer cut off. */
  end(): Promise<Bytes> {
    return this.#inTurn(async () => {
      if (!this.#cipher || !this.#isLast) throw malformed();
      return this.#open(this.#cipher, this.#arrivals.bytes, true);
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    done.catch(() => {});
    this.#turn = done;
    return done;
  }

  async #receive(data: Uint8Array): Promise<Bytes[]> {
    const found: Bytes[] = [];
    this.#arrivals.add(data);
    if (!this.#cipher) {
      if (this.#arrivals.bytes.length < NONCE_BYTES) return found;
      const nonce = this.#arrivals.bytes.slice(0, NONCE_BYTES);
      this.#arrivals.drop(NONCE_BYTES);
      const [raw, base] = await answerKeys(this.#secret, this.#enc, nonce);
      const key = await crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['decrypt']);
      this.#cipher = { key, base };
    }
    while (!this.#isLast) {
      const { bytes } = this.#arrivals;
      const integer = readInteger(bytes, 0);
      if (!integer) break;
      const [size, at] = integer;
      if (size > SEALED_CHUNK_BYTES) throw new PeerError('limit', 'a long chunk');
      if (size && bytes.length < at + size) break;
      this.#isLast = size === 0;
      const sealed = bytes.slice(at, at + size);
      this.#arrivals.drop(at + size);
      if (size) found.push(await this.#open(this.#cipher, sealed, false));
    }
    if (this.#isLast && this.#arrivals.bytes.length > SEALED_CHUNK_BYTES) {
      throw new PeerError('limit', 'a long chunk');
    }
    return found;
  }

  async #open({ key, base }: Cipher, sealed: Bytes, isFinal: boolean): Promise<Bytes> {
    const iv = base.slice();
    const view = new DataView(iv.buffer);
    view.setUint32(8, view.getUint32(8) ^ this.#count);
    this.#count += 1;
    const how = { name: 'AES-GCM', iv, ...(isFinal ? { additionalData: FINAL } : {}) };
    try {
      return new Uint8Array(await crypto.subtle.decrypt(how, key, sealed));
    } catch {
      throw malformed();
    }
  }
}

const malformed = () => new PeerError('malformed', 'an answer that is not sealed properly');
