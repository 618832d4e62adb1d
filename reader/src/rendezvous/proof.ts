/** Proof of work, which a broker with too many requests asks for (`src/passerelle/core/matching/proof.py`). */

import type { Proof } from './request';

const CONTEXT = new TextEncoder().encode('passerelle proof 1 ');
/** Digests under way at once. WebCrypto computes them on other threads. */
const AT_ONCE = 256;

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
  for (let tries = 0; ; tries += AT_ONCE) {
    signal.throwIfAborted();
    const digests = await Promise.all(
      Array.from({ length: AT_ONCE }, (_, index) => {
        view.setUint32(challenge.length - 4, tries + index);
        return crypto.subtle.digest('SHA-256', challenge.slice());
      }),
    );
    const found = digests.findIndex((digest) => Math.clz32(new DataView(digest).getUint32(0)) >= bits);
    if (found >= 0) {
      view.setUint32(challenge.length - 4, tries + found);
      return { nonce, time_s, proof: challenge.slice(-8) };
    }
  }
}
