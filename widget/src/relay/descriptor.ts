/** Fetches the network's descriptor, and keeps the last one whose signature was verified. */

import { Problem } from '../core/errors';
import { DESCRIPTOR_BYTES } from '../core/limits';
import { verify, type Descriptor } from '../core/wire/descriptor';
import type { Invite } from '../core/wire/invite';

/** The age at which a descriptor is fetched again before the next conversation with a broker. */
const FRESH_S = 600;
const FETCH_MS = 10_000;
/** STUN servers used at once. */
export const STUN_SERVERS = 2;

export class DescriptorSource {
  readonly #invite: Invite;
  readonly #signal: AbortSignal;
  #descriptor: Descriptor | null = null;
  #fetched_s = 0;
  readonly #found: (descriptor: Descriptor) => void;

  /** `found` takes each new descriptor. */
  constructor(invite: Invite, signal: AbortSignal, found: (descriptor: Descriptor) => void = () => {}) {
    this.#invite = invite;
    this.#signal = signal;
    this.#found = found;
  }

  /** The last verified descriptor; null before the first. */
  get descriptor(): Descriptor | null {
    return this.#descriptor;
  }

  /** Return a verified descriptor. It is fetched when there is none, or when the last one is old.
   *
   * Throws Problem. Only the operator can put a problem right that is not `transient`.
   */
  async describe(): Promise<Descriptor> {
    const now_s = Date.now() / 1000;
    const known = this.#descriptor;
    if (known && now_s < this.#fetched_s + FRESH_S && now_s <= known.expires_s) return known;
    try {
      const found = await verify(await this.#fetch(), this.#invite.operator_key, now_s);
      this.#fetched_s = now_s;
      if (!known || found.issued_s >= known.issued_s) this.#found((this.#descriptor = found));
    } catch (error) {
      // The last descriptor was verified too, so one bad answer does not take it away.
      if (!known || now_s > known.expires_s) throw error;
    }
    return this.#descriptor ?? Promise.reject(new Problem('internal'));
  }

  async #fetch(): Promise<Uint8Array> {
    try {
      const response = await fetch(`${this.#invite.url}/v1/network`, {
        credentials: 'omit',
        referrerPolicy: 'no-referrer',
        signal: AbortSignal.any([this.#signal, AbortSignal.timeout(FETCH_MS)]),
      });
      if (!response.ok || !response.body) throw new Problem('network_unreachable', true);
      return await bounded(response.body);
    } catch (error) {
      throw error instanceof Problem ? error : new Problem('network_unreachable', true);
    }
  }
}

/** Read `body` whole, as long as it is not larger than a descriptor may be. */
async function bounded(body: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.length;
    if (bytes > DESCRIPTOR_BYTES) {
      await reader.cancel();
      throw new Problem('network_format');
    }
    chunks.push(value);
  }
  return new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
}

/** Return up to `STUN_SERVERS` of the network's servers, chosen at random. */
export function stunServers(descriptor: Descriptor | null | undefined): string[] {
  const left = [...(descriptor?.stun ?? [])];
  const chosen: string[] = [];
  while (chosen.length < STUN_SERVERS && left.length > 0) {
    chosen.push(...left.splice(Math.floor(Math.random() * left.length), 1));
  }
  return chosen;
}
