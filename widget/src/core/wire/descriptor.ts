/** The signed network descriptor: the one document everybody in a network trusts.
 *
 * `{"payload": TEXT, "signature": BASE64}`; the Ed25519 signature covers a context string and the
 * payload's exact UTF-8 bytes (`passerelle/wire/descriptor.py`).
 */

import { decode } from './base64';
import { PeerError, Problem } from '../errors';
import { DESCRIPTOR_BYTES, DESCRIPTOR_ENTRIES } from '../limits';
import * as shape from './checks';
import { EXIT_ID } from './signalling';

export interface ExitEntry {
  readonly id: string;
  /** wss://…: the link endpoint. */
  readonly url: string;
}

/** What a volunteer needs to know of a network. */
export interface Descriptor {
  readonly name: string;
  readonly issued_s: number;
  readonly expires_s: number;
  /** Base URLs, without a trailing slash. */
  readonly brokers: readonly string[];
  readonly exits: readonly ExitEntry[];
  /** `stun:host:port`. */
  readonly stun: readonly string[];
  /** Whether peers may name private addresses: the network is a laboratory's. */
  readonly private_candidates: boolean;
}

const FORMAT = 1;
const CONTEXT = 'passerelle descriptor 1 ';
const LAST_TIME_S = 2 ** 48 - 1;
const INTEGER = [-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER] as const;

/** Return the descriptor if `operator_key` (32 bytes) signed it and it has not expired.
 *
 * Throws Problem: network_format, network_signature, network_expired, or old_browser where the
 * browser has no Ed25519.
 */
export async function verify(
  document: Uint8Array,
  operator_key: Uint8Array<ArrayBuffer>,
  now_s: number,
): Promise<Descriptor> {
  const [payload, signature] = unwrap(document);
  const signed = new TextEncoder().encode(CONTEXT + payload);
  if (!(await isSigned(signed, signature, operator_key))) throw new Problem('network_signature');
  const descriptor = readable(() => read(payload));
  if (now_s > descriptor.expires_s) throw new Problem('network_expired');
  return descriptor;
}

function unwrap(document: Uint8Array): readonly [string, Uint8Array<ArrayBuffer>] {
  return readable(() => {
    if (document.length > DESCRIPTOR_BYTES) throw new PeerError('limit', 'a large descriptor');
    const envelope = shape.parse(new TextDecoder('utf-8', { fatal: true }).decode(document));
    const payload = shape.text(envelope.get('payload'), 0, DESCRIPTOR_BYTES);
    const signature = decode(shape.text(envelope.get('signature'), 0, DESCRIPTOR_BYTES));
    if (!signature) throw new PeerError('malformed', 'not base64');
    return [payload, signature] as const;
  });
}

async function isSigned(
  signed: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
  operator_key: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  try {
    const key = await crypto.subtle.importKey('raw', operator_key, 'Ed25519', false, ['verify']);
    return await crypto.subtle.verify('Ed25519', key, signature, signed);
  } catch (error) {
    // A key that is not a point on the curve is a DataError: nothing it "signed" is good.
    if (error instanceof DOMException && error.name === 'DataError') return false;
    throw new Problem('old_browser');
  }
}

function read(payload: string): Descriptor {
  const given = shape.parse(payload);
  const format = given.has('format') ? shape.integer(given.get('format'), ...INTEGER) : FORMAT;
  if (format !== FORMAT) throw new Problem('network_format');
  const key = (value: unknown) => {
    if (decode(shape.text(value, 44, 44))?.length !== 32) throw new PeerError('malformed', 'a key');
  };
  return Object.freeze({
    name: shape.text(given.get('name'), 1, 100),
    issued_s: shape.integer(given.get('issued_s'), 0, LAST_TIME_S),
    expires_s: shape.integer(given.get('expires_s'), 0, LAST_TIME_S),
    brokers: shape.list(given.get('brokers'), 1, DESCRIPTOR_ENTRIES, (item) => {
      const broker = shape.fields(item);
      key(broker.get('seal_key'));
      key(broker.get('ticket_key'));
      return url(broker.get('url'), 'http');
    }),
    exits: shape.list(given.get('exits'), 1, DESCRIPTOR_ENTRIES, (item) => {
      const exit = shape.fields(item);
      shape.list(exit.get('spki_sha256'), 1, 4, key);
      const id = shape.text(exit.get('id'), 1, 32, EXIT_ID);
      return Object.freeze({ id, url: url(exit.get('url'), 'ws') });
    }),
    stun: given.has('stun')
      ? shape.list(given.get('stun'), 0, DESCRIPTOR_ENTRIES, (item) =>
          shape.text(item, 6, 255, /^stun:[^\s,]+$/),
        )
      : [],
    private_candidates: given.has('private_candidates')
      ? shape.boolean(given.get('private_candidates'))
      : false,
  });
}

/** A URL of the given scheme, with or without TLS, and without a user's name. */
function url(value: unknown, scheme: 'http' | 'ws'): string {
  const given = shape.text(value, 8, 256);
  if (!new RegExp(`^${scheme}s?://[^/?#@\\s]+(?:[/?#]\\S*)?$`, 'i').test(given)) {
    throw new PeerError('malformed', 'not a URL');
  }
  return given;
}

function readable<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw error instanceof Problem ? error : new Problem('network_format');
  }
}
