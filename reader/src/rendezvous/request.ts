/** A sealed request for volunteers, and the broker's reply (`src/passerelle/wire/rendezvous.py`). */

import { PeerError } from '../../../widget/src/core/errors';
import { TICKET_BYTES } from '../../../widget/src/core/limits';
import * as checks from '../../../widget/src/core/wire/checks';
import { read as readDescription, type Description } from '../../../widget/src/core/wire/description';
import { country } from '../../../widget/src/core/wire/signalling';
import { encode as base64 } from '../../../widget/src/core/wire/base64';
import { join, utf8 } from '../wire/integers';
import { decapsulate, ENC_BYTES, encapsulate, generateKeys, publicBytes, TAG_BYTES } from '../wire/hpke';
import { decode, encode, type Value } from './messagepack';

const VERSION = 1;
const CIPHER = 'aes-128-gcm';
const SIZES = [1024, 2048, 4096, 8192];
const REQUEST_INFO = 'passerelle rendezvous request 1';
const REPLY_INFO = 'passerelle rendezvous reply 1 ';
/** Volunteers that one request names as not wanted, at most. */
const AVOIDED = 16;
/** Most answers in one reply. */
const ANSWERS = 4;

const MISSES = ['no_volunteer', 'no_answer'] as const;
const REFUSALS = ['version', 'unknown_exit', 'busy', 'proof'] as const;

/** What the reading page asks of a broker. */
export interface Wish {
  readonly offers: readonly Description[];
  /** The exit whose gateway is wanted. */
  readonly exit: string;
  /** Handles of volunteers that are not wanted, and of those through which no link came about. */
  readonly avoid: readonly Uint8Array[];
  readonly failed: readonly Uint8Array[];
  readonly software: string;
  readonly proof?: Proof | undefined;
}

/** A proof of work, and the nonce and time that it is for. */
export interface Proof {
  readonly nonce: Uint8Array<ArrayBuffer>;
  readonly time_s: number;
  readonly proof: Uint8Array<ArrayBuffer>;
}

/** A volunteer's half of one link. */
export interface Answer {
  readonly description: Description;
  /** The volunteer's name in later requests. */
  readonly volunteer: Uint8Array;
  /** Where the volunteer seems to be (ISO 3166-1), if the broker can tell. */
  readonly country: string | null;
}

export interface Reply {
  readonly exit: string | null;
  readonly answers: readonly (Answer | (typeof MISSES)[number])[];
  readonly ticket: string;
  readonly refusal: (typeof REFUSALS)[number] | null;
  readonly retry_after_s: number;
  readonly proof_bits: number;
}

/** A request that was sealed, and what opens its reply. */
export interface Sealed {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Throws PeerError for a reply that cannot be used. */
  open(reply: Uint8Array): Promise<Reply>;
}

/** Seal `wish` to the broker's X25519 key, 32 bytes. `now_s` is the Unix time. */
export async function seal(wish: Wish, seal_key: Uint8Array<ArrayBuffer>, now_s: number): Promise<Sealed> {
  const replyKeys = await generateKeys();
  const [reply_key, { context, enc }] = await Promise.all([
    publicBytes(replyKeys.publicKey),
    encapsulate(seal_key, utf8(REQUEST_INFO)),
  ]);
  const nonce = wish.proof?.nonce ?? crypto.getRandomValues(new Uint8Array(16));
  const message = encode({
    version: VERSION,
    time_s: wish.proof?.time_s ?? Math.floor(now_s),
    nonce,
    reply_key,
    offers: wish.offers.map(written),
    exit: wish.exit,
    avoid: wish.avoid.slice(-AVOIDED),
    failed: wish.failed.slice(-AVOIDED),
    software: wish.software,
    ...(wish.proof && { proof: wish.proof.proof }),
    gateway: true,
    cipher: CIPHER,
  });
  const ciphertext = await context.seal(padded(message));
  const info = join([utf8(REPLY_INFO), nonce]);
  return {
    bytes: join([enc, ciphertext]),
    async open(reply) {
      if (!SIZES.includes(reply.length - ENC_BYTES - TAG_BYTES)) throw new PeerError('malformed', 'a bad size');
      let plaintext: Uint8Array;
      try {
        const answer = await decapsulate(replyKeys, reply.slice(0, ENC_BYTES), info);
        plaintext = await answer.open(reply.slice(ENC_BYTES));
      } catch {
        throw new PeerError('malformed', 'a reply that cannot be opened');
      }
      return readReply(plaintext);
    },
  };
}

function written(description: Description): Value {
  return { ...description, candidates: description.candidates.map((candidate) => [...candidate]) };
}

function padded(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const size = SIZES.find((size) => size >= message.length + 2);
  if (size === undefined) throw new RangeError(`a request of ${message.length} bytes`);
  const plaintext = new Uint8Array(size);
  new DataView(plaintext.buffer).setUint16(0, message.length);
  plaintext.set(message, 2);
  return plaintext;
}

/** Read a reply that was opened: its length, MessagePack and padding. Throws PeerError. */
export function readReply(plaintext: Uint8Array): Reply {
  const length = new DataView(plaintext.buffer, plaintext.byteOffset).getUint16(0);
  const given = checks.fields(decode(plaintext.subarray(2, 2 + length)));
  const optional = <T>(name: string, otherwise: T, check: (value: unknown) => T): T =>
    given.get(name) === undefined || given.get(name) === null ? otherwise : check(given.get(name));
  return Object.freeze({
    exit: optional<string | null>('exit', null, (value) => checks.text(value, 1, 32)),
    answers: optional<Reply['answers']>('answers', [], (value) => checks.list(value, 0, ANSWERS, readAnswer)),
    ticket: optional('ticket', '', (value) => checks.text(value, 0, TICKET_BYTES)),
    refusal: optional<Reply['refusal']>('refusal', null, (value) => checks.oneOf(value, REFUSALS)),
    retry_after_s: optional('retry_after_s', 0, (value) => checks.number(value, 0, 3600)),
    proof_bits: optional('proof_bits', 0, (value) => checks.integer(value, 0, 26)),
  });
}

function readAnswer(value: unknown): Reply['answers'][number] {
  if (typeof value === 'string') return checks.oneOf(value, MISSES);
  const given = checks.fields(value);
  const volunteer = given.get('volunteer');
  if (!(volunteer instanceof Uint8Array) || volunteer.length !== 8) throw new PeerError('malformed', 'a bad handle');
  return Object.freeze({ description: described(given.get('description')), volunteer, country: country(given) });
}

/** Read a description whose bytes are bytes, where JSON has base64. */
function described(value: unknown): Description {
  const given = checks.fields(value);
  const fingerprint = given.get('fingerprint');
  if (!(fingerprint instanceof Uint8Array)) throw new PeerError('malformed', 'a bad fingerprint');
  return readDescription({ ...Object.fromEntries(given), fingerprint: base64(fingerprint) });
}
