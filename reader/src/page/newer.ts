/** Fetching the network's descriptor anew, where the one that came with the page cannot be used. */

import { Problem } from '../../../widget/src/core/errors';
import { DESCRIPTOR_BYTES } from '../../../widget/src/core/limits';
import { bodyOf } from '../wire/bounded';
import type { Network } from './network';

const FETCH_MS = 8_000;

/** Fetch a descriptor from one of the brokers at `urls`, and return what `read` makes of it. Throws Problem. */
export async function fetchNetwork(
  urls: readonly string[],
  read: (descriptor: Uint8Array) => Promise<Network>,
  signal: AbortSignal,
): Promise<Network> {
  let problem: unknown = new Problem('network_unreachable', true);
  for (const url of urls) {
    try {
      return await read(await fetched(`${url}/v1/network`, signal));
    } catch (error) {
      signal.throwIfAborted();
      problem = error;
    }
  }
  throw problem;
}

async function fetched(url: string, signal: AbortSignal): Promise<Uint8Array> {
  try {
    const response = await fetch(url, {
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      signal: AbortSignal.any([signal, AbortSignal.timeout(FETCH_MS)]),
    });
    if (!response.ok) throw new Error();
    return await bodyOf(response, DESCRIPTOR_BYTES);
  } catch {
    signal.throwIfAborted();
    throw new Problem('network_unreachable', true);
  }
}
