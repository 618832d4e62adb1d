/** Proof of work, which a broker with too many requests asks for (`src/passerelle/core/matching/proof.py`). */

import { KNOWN_DOOR_MS } from '../limits';
import type { Proof } from './request';
import { FirstZeros } from './sha256';

const CONTEXT = new TextEncoder().encode('passerelle proof 1 ');
/** Tries between two looks at the clock and the signal: a few milliseconds, so that the page stays usable. */
const AT_ONCE = 4096;

/** When the next proof may be searched for the same request, which its signal tells. */
const turns = new WeakMap<AbortSignal, Promise<unknown>>();

/** Do as `search` does, for one broker or door of a request after the other. A request that has its proof asks volunteers:
 * were it sent by two doors, two of them would answer one offer, and the second spoils the first one's link. So the next
 * door has its turn when the one before has not answered for KNOWN_DOOR_MS. */
export async function searchInTurn(...given: Parameters<typeof search>): Promise<Proof> {
  const signal = given[3];
  const before = turns.get(signal);
  const found = (async () => {
    await before;
    return search(...given);
  })();
  turns.set(signal, found.then(() => new Promise((resolve) => setTimeout(resolve, KNOWN_DOOR_MS))).catch(() => {}));
  return found;
}

/** Search a proof whose digest begins with `bits` zero bits, for a request to the broker with `seal_key`, made now.
 *
 * Takes 2^bits tries on average. Throws the signal's reason when it is given up.
 */
export async function search(
  seal_key: Uint8Array,
  bits: number,
  now_s: number,
  signal: AbortSignal,
): Promise<Proof> {
  const nonce = crypto.getRandomValues(new Uint8Array(16));
  const time_s = Math.floor(now_s);
  const challenge = new Uint8Array(CONTEXT.length + seal_key.length + nonce.length + 16);
  challenge.set(CONTEXT);
  challenge.set(seal_key, CONTEXT.length);
  challenge.set(nonce, CONTEXT.length + seal_key.length);
  const view = new DataView(challenge.buffer);
  view.setBigUint64(challenge.length - 16, BigInt(time_s));
  const digests = new FirstZeros(challenge);
  for (let tries = 0; ; tries += 1) {
    if (tries % AT_ONCE === 0) {
      await new Promise((resolve) => setTimeout(resolve));
      signal.throwIfAborted();
    }
    if (digests.count(tries) < bits) continue;
    view.setUint32(challenge.length - 4, tries);
    return { nonce, time_s, proof: challenge.slice(-8) };
  }
}
