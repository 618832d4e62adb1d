/** Fetching the network's descriptor anew, where the one that came with the page cannot be used. */

import { Problem } from '../../../widget/src/core/errors';
import { DESCRIPTOR_BYTES } from '../../../widget/src/core/limits';
import { bodyOf } from '../wire/bounded';
import { BROKER_PATIENCE_MS } from '../limits';
import { staggered } from '../rendezvous/staggered';
import { ReadingProblem, troubleOf } from '../trouble';
import type { Network } from './network';

const FETCH_MS = 8_000;
/** A description of the network is valid for days, and made anew long before its end. */
const CLOCK_MS = 86_400_000;

/** Fetch a descriptor from the brokers and doors at `urls`, each a while after the one before, and return what `read` makes of the
 * first that it takes. Throws Problem; `clock` where it has run out by this device's clock alone. */
export async function fetchNetwork(
  urls: readonly string[],
  read: (descriptor: Uint8Array) => Promise<Network>,
  signal: AbortSignal,
): Promise<Network> {
  const attempts = urls.map((url) => async (over: AbortSignal) => {
    const { bytes, off_ms } = await fetched(`${url}/v1/network`, over);
    try {
      return await read(bytes);
    } catch (error) {
      throw troubleOf(error) === 'network_expired' && off_ms > CLOCK_MS ? new ReadingProblem('clock') : error;
    }
  });
  const [network] = await staggered(attempts, () => BROKER_PATIENCE_MS, signal);
  return network;
}

/** Return what lies at `url`, and by how much its server's clock differs from this device's. */
async function fetched(url: string, signal: AbortSignal): Promise<{ bytes: Uint8Array; off_ms: number }> {
  try {
    const response = await fetch(url, {
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      signal: AbortSignal.any([signal, AbortSignal.timeout(FETCH_MS)]),
    });
    if (!response.ok) throw new Error();
    const off_ms = Math.abs(Date.now() - Date.parse(response.headers.get('date') ?? ''));
    return { bytes: await bodyOf(response, DESCRIPTOR_BYTES), off_ms };
  } catch {
    signal.throwIfAborted();
    throw new Problem('network_unreachable', true);
  }
}
