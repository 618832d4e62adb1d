/** Classifies this browser's NAT by the mappings that two STUN servers saw (RFC 5780 §4.3).
 *
 * A page cannot test which packets a NAT lets in. So a NAT with the same mapping for all servers counts
 * as "restricted", although it may be open.
 */

import type { NatClass } from '../wire/signalling';

/** A server-reflexive candidate: the address and port that a STUN server saw. */
export interface Mapping {
  /** Chromium has one foundation for each local address. Gecko has one for each local address and server. */
  readonly foundation: string;
  readonly address: string;
  readonly port: number;
}

/** Return the class of the NAT.
 *
 * `isComplete` says that every server has answered or cannot be asked. `isByServer` says that this
 * browser's foundations differ between servers.
 */
export function classify(
  mappings: readonly Mapping[],
  { isComplete, isByServer }: { readonly isComplete: boolean; readonly isByServer: boolean },
): NatClass {
  const seen = new Map<string, Set<string>>();
  for (const { foundation, address, port } of mappings) {
    const family = address.includes(':') ? '6' : '4';
    // A computer with several addresses has a mapping for each of them, whatever its NAT does.
    const key = isByServer ? family : `${family} ${foundation}`;
    seen.set(key, (seen.get(key) ?? new Set()).add(`${address} ${port}`));
  }
  if ([...seen.values()].some(({ size }) => size > 1)) return 'symmetric';
  if (mappings.length > 0) return isComplete ? 'restricted' : 'unknown';
  return isComplete ? 'unknown' : 'blocked';
}
