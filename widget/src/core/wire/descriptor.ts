/** The signed descriptor of a network: the one document that everybody in the network trusts.
 *
 * It is `{"payload": TEXT, "signature": BASE64}`. The operator's Ed25519 signature covers a context
 * string and the payload's exact UTF-8 bytes.
 */

import { PeerError, Problem } from '../errors';
import { DESCRIPTOR_BYTES, DESCRIPTOR_ENTRIES } from '../limits';
import { decode } from './base64';
import * as checks from './checks';
import { EXIT_ID } from './signalling';

export interface ExitEntry {
  readonly id: string;
  /** The WebSocket URL for links, `wss://host/path`. */
  readonly url: string;
}

/** The parts of a descriptor that a volunteer needs. */
export interface Descriptor {
  readonly name: string;
  readonly issued_s: number;
  readonly expires_s: number;
  /** Base URLs, without a trailing slash. */
  readonly brokers: readonly string[];
  readonly exits: readonly ExitEntry[];
  /** URLs of STUN servers, `stun:host:port`. */
  readonly stun: readonly string[];
  /** Whether peers may name private addresses. Only networks in laboratories allow it. */
  readonly private_candidates: boolean;
}

const FORMAT = 1;
const CONTEXT = 'passerelle descriptor 1 ';
const LAST_TIME_S = 2 ** 48 - 1;
const INTEGER = [-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER] as const;

/** Return the descriptor if `operator_key` (32 bytes) signed it and it has not expired.
 *
 * Throws Problem with `network_format`, `network_signature` or `network_expired`, or with `old_browser`
 * when the browser has no Ed25519.
 */
export async function verify(
  bytes: Uint8Array,
  operator_key: Uint8Array<ArrayBuffer>,
  now_s: number,
): Promise<Descriptor> {
  return current(await open(bytes, operator_key), now_s);
}

/** Read the text of a descriptor. Throws Problem with `network_format`, or `network_expired`. */
export function current(payload: string, now_s: number): Descriptor {
  const descriptor = readable(() => read(payload));
  if (now_s > descriptor.expires_s) throw new Problem('network_expired');
  return descriptor;
}

/** Return the text in a descriptor that `operator_key` signed. Throws Problem as `verify` does. */
export async function open(bytes: Uint8Array, operator_key: Uint8Array<ArrayBuffer>): Promise<string> {
  const [payload, signature] = unwrap(bytes);
  const signed = new TextEncoder().encode(CONTEXT + payload);
  if (!(await isSigned(signed, signature, operator_key))) throw new Problem('network_signature');
  return payload;
}

function unwrap(bytes: Uint8Array): readonly [string, Uint8Array<ArrayBuffer>] {
  return readable(() => {
    if (bytes.length > DESCRIPTOR_BYTES) throw new PeerError('limit', 'a large descriptor');
    const envelope = checks.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    const payload = checks.text(envelope.get('payload'), 0, DESCRIPTOR_BYTES);
    const signature = decode(checks.text(envelope.get('signature'), 0, DESCRIPTOR_BYTES));
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
    // A key that is not a point on the curve is a DataError. No signature by such a key is good.
    if (error instanceof DOMException && error.name === 'DataError') return false;
    throw new Problem('old_browser');
  }
}

function read(payload: string): Descriptor {
  const given = checks.parse(payload);
  const format = given.has('format') ? checks.integer(given.get('format'), ...INTEGER) : FORMAT;
  if (format !== FORMAT) throw new Problem('network_format');
  const key = (value: unknown) => {
    if (decode(checks.text(value, 44, 44))?.length !== 32) throw new PeerError('malformed', 'a key');
  };
  return Object.freeze({
    name: checks.text(given.get('name'), 1, 100),
    issued_s: checks.integer(given.get('issued_s'), 0, LAST_TIME_S),
    expires_s: checks.integer(given.get('expires_s'), 0, LAST_TIME_S),
    brokers: checks.list(given.get('brokers'), 1, DESCRIPTOR_ENTRIES, (item) => {
      const broker = checks.fields(item);
      key(broker.get('seal_key'));
      key(broker.get('ticket_key'));
      return url(broker.get('url'), 'http');
    }),
    exits: checks.list(given.get('exits'), 1, DESCRIPTOR_ENTRIES, (item) => {
      const exit = checks.fields(item);
      checks.list(exit.get('spki_sha256'), 1, 4, key);
      const id = checks.text(exit.get('id'), 1, 32, EXIT_ID);
      return Object.freeze({ id, url: url(exit.get('url'), 'ws') });
    }),
    stun: given.has('stun')
      ? checks.list(given.get('stun'), 0, DESCRIPTOR_ENTRIES, (item) =>
          checks.text(item, 6, 255, /^stun:[^\s,]+$/),
        )
      : [],
    private_candidates: given.has('private_candidates')
      ? checks.boolean(given.get('private_candidates'))
      : false,
  });
}

/** Require a URL of the given scheme, with or without TLS. A user name is not allowed in it. */
function url(value: unknown, scheme: 'http' | 'ws'): string {
  const given = checks.text(value, 8, 256);
  if (!new RegExp(`^${scheme}s?://[^/?#@\\s]+(?:[/?#]\\S*)?$`, 'i').test(given)) {
    throw new PeerError('malformed', 'not a URL');
  }
  return given;
}

/** Run `parse`, and report whatever it throws to the visitor as `network_format`. */
export function readable<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw error instanceof Problem ? error : new Problem('network_format');
  }
}
