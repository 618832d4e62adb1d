/** What the mappings that two STUN servers saw say about this browser's NAT (RFC 5780 §4.3).
 *
 * What the NAT lets in cannot be tested from a page, so one mapping for all is "restricted".
 */

import type { NatClass } from '../wire/signalling';

/** A server-reflexive candidate. */
export interface Mapping {
  /** Chromium has one for each socket's address, Gecko one for each server too. */
  readonly foundation: string;
  readonly address: string;
  readonly port: number;
}

/** Return the class. `isComplete` tells that all servers have answered or cannot be asked;
 * `isByServer` that foundations differ between servers. */
export function classify(
  mappings: readonly Mapping[],
  { isComplete, isByServer }: { readonly isComplete: boolean; readonly isByServer: boolean },
): NatClass {
  const seen = new Map<string, Set<string>>();
  for (const { foundation, address, port } of mappings) {
    const family = address.includes(':') ? '6' : '4';
    // A computer with several addresses has a mapping for each, whatever its NAT does.
    const key = isByServer ? family : `${family} ${foundation}`;
    seen.set(key, (seen.get(key) ?? new Set()).add(`${address} ${port}`));
  }
  if ([...seen.values()].some(({ size }) => size > 1)) return 'symmetric';
  if (mappings.length > 0) return isComplete ? 'restricted' : 'unknown';
  return isComplete ? 'unknown' : 'blocked';
}
