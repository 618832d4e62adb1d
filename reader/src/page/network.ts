/** The network that the page belongs to: its brokers, and the exit whose gateway serves the site.
 *
 * The page brings a signed descriptor with it, so nothing has to be fetched before the first link. It is fetched anew
 * from the brokers when it has run out, or when the gateway does not know its keys.
 */

import { Problem } from '../../../widget/src/core/errors';
import { decode, decodeUrl } from '../../../widget/src/core/wire/base64';
import * as checks from '../../../widget/src/core/wire/checks';
import { current, open, readable } from '../../../widget/src/core/wire/descriptor';
import type { Invite } from '../../../widget/src/core/wire/invite';
import type { BrokerEntry } from '../rendezvous/broker';
import { readConfiguration, type KeyConfiguration } from '../wire/oblivious';

const DAY_S = 86_400;
/** Clocks differ by less than this, mostly. Each key is valid for two days, so that of an hour ago still is. */
const CLOCK_S = 3_600;
/** Keys of one gateway in a descriptor, and sites. */
const KEYS = 16;
const SITES = 64;
/** Doors in a descriptor. */
const DOORS = 64;

export interface Network {
  readonly name: string;
  readonly issued_s: number;
  readonly expires_s: number;
  readonly brokers: readonly BrokerEntry[];
  /** Base URLs of web servers that pass sealed messages on. */
  readonly doors: readonly string[];
  readonly stun: readonly string[];
  readonly private_candidates: boolean;
  /** The exit with the gateway. */
  readonly exit: string;
  /** The names that the gateway serves. */
  readonly sites: readonly string[];
  /** The day, counted since 1970, of the first key, and one key for each day from then on. */
  readonly first_day: number;
  readonly keys: readonly KeyConfiguration[];
}

/** Read an invite as `passerelle page` writes it: `URL/#KEY`. Throws Problem. */
export function invited(text: string): Invite {
  const [url = '', key = ''] = text.split('/#');
  const operator_key = decodeUrl(key);
  if (!operator_key) throw new Problem('network_format');
  return { url, operator_key };
}

/** Return the network of a descriptor. Throws Problem as the volunteer's `verify` does, and with `network_format` for
 * one without a gateway. */
export async function read(bytes: Uint8Array, invite: Invite, now_s: number): Promise<Network> {
  const payload = await open(bytes, invite.operator_key);
  const basis = current(payload, now_s);
  return readable(() => {
    const given = checks.parse(payload);
    const brokers = checks.list(given.get('brokers'), 1, 256, (item) => {
      const broker = checks.fields(item);
      return { url: String(broker.get('url')), seal_key: key(broker.get('seal_key')) };
    });
    const exits = checks.list(given.get('exits'), 1, 256, checks.fields);
    const exit = exits.find((each) => each.has('gateway'));
    if (!exit) throw new Problem('network_format');
    const gateway = checks.fields(exit.get('gateway'));
    return Object.freeze({
      ...basis,
      brokers,
      doors: checks.list(given.get('doors') ?? [], 0, DOORS, (item) => doorUrl(checks.fields(item).get('url'))),
      exit: checks.text(exit.get('id'), 1, 32),
      sites: checks.list(gateway.get('sites'), 1, SITES, (name) => checks.text(name, 1, 255)),
      first_day: checks.integer(gateway.get('first_day'), 0, 2 ** 24),
      keys: checks.list(gateway.get('keys'), 1, KEYS, (item) => readConfiguration(bytesOf(item))),
    });
  });
}

/** Return the key that is valid now. Throws Problem when the descriptor has none for today, or this device's clock says
 * another day than everybody's. */
export function keyAt(network: Network, now_s: number): KeyConfiguration {
  const found = network.keys[Math.floor((now_s - CLOCK_S) / DAY_S) - network.first_day];
  if (!found) throw new Problem('network_expired');
  return found;
}

const bytesOf = (value: unknown): Uint8Array<ArrayBuffer> => {
  const bytes = decode(checks.text(value, 1, 128));
  if (!bytes) throw new Problem('network_format');
  return bytes as Uint8Array<ArrayBuffer>;
};

function doorUrl(value: unknown): string {
  const url = checks.text(value, 8, 256);
  if (!/^https?:\/\/[^\s?#@]+$/.test(url)) throw new Problem('network_format');
  return url;
}

function key(value: unknown): Uint8Array<ArrayBuffer> {
  const bytes = bytesOf(value);
  if (bytes.length !== 32) throw new Problem('network_format');
  return bytes;
}
