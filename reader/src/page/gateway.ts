/** The network's present descriptor, and the gateway's key in it. */

import { Problem } from '../../../widget/src/core/errors';
import type { Invite } from '../../../widget/src/core/wire/invite';
import type { LoadLater } from '../later/later';
import { canRead } from '../links/connection';
import type { PoolSettings } from '../links/pool';
import type { KeyConfiguration } from '../wire/oblivious';
import { ReadingProblem } from '../trouble';
import { remembered } from './memory';
import { keyAt, read, type Network } from './network';

const SOFTWARE = 'passerelle-reader/0.1.0';
/** Between two tries to get a newer descriptor. */
const RENEWAL_MS = 30_000;

export class Gateway {
  readonly #invite: Invite;
  #network: Network;
  #tried_ms = -Infinity;
  readonly #later: LoadLater;

  private constructor(invite: Invite, later: LoadLater, network: Network) {
    this.#invite = invite;
    this.#later = later;
    this.#network = network;
  }

  /** Read the descriptor that came with the page, which `load` returns; fetch another one where that cannot be used.
   *
   * Throws Problem; `clock` when what the network says at this moment has no key for this device's date.
   */
  static async open(invite: Invite, later: LoadLater, load: () => Promise<Uint8Array>): Promise<Gateway> {
    try {
      const network = await read(await load(), invite, Date.now() / 1000);
      keyAt(network, Date.now() / 1000);
      return new Gateway(invite, later, network);
    } catch {
      return new Gateway(invite, later, await fetched([invite.url], invite, later)).#checked();
    }
  }

  #checked(): this {
    try {
      keyAt(this.#network, Date.now() / 1000);
      return this;
    } catch {
      throw new ReadingProblem('clock');
    }
  }

  get settings(): Omit<PoolSettings, 'later' | 'ask'> {
    const { brokers, doors } = this.#network;
    const { worked } = remembered();
    // Which doors are asked first is left to chance, so that they share the readers; after the one that worked last.
    const order = doors.map((url) => ({ url, at: url === worked ? -1 : Math.random() })).sort((a, b) => a.at - b.at);
    return {
      ...this.#network,
      // A door leads to the first broker.
      brokers: [...brokers, ...order.map(({ url }) => ({ ...brokers[0]!, url }))],
      doors: order.map(({ url }) => url),
      hasWorked: order[0]?.at === -1,
      software: SOFTWARE,
      hasWebrtc: canRead() !== 'no_webrtc',
    };
  }

  /** Return the key of today. Throws Problem. */
  async key(): Promise<KeyConfiguration> {
    try {
      return keyAt(this.#network, Date.now() / 1000);
    } catch {
      await this.renew();
      return keyAt(this.#network, Date.now() / 1000);
    }
  }

  /** Fetch a newer descriptor. Throws Problem; `clock` when the newest knows no key for this device's date. */
  async renew(): Promise<void> {
    if (performance.now() < this.#tried_ms + RENEWAL_MS) throw new ReadingProblem('clock');
    this.#tried_ms = performance.now();
    const urls = this.settings.brokers.map(({ url }) => url);
    const found = await fetched(urls, this.#invite, this.#later);
    if (found.issued_s >= this.#network.issued_s) this.#network = found;
  }
}

/** Fetch a descriptor from one of `urls`. Throws Problem. */
async function fetched(urls: readonly string[], invite: Invite, later: LoadLater): Promise<Network> {
  const { fetchNetwork } = await later().catch(() => {
    throw new Problem('network_unreachable', true);
  });
  return fetchNetwork(urls, (descriptor) => read(descriptor, invite, Date.now() / 1000), new AbortController().signal);
}
