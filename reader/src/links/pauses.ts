/** How long a page waits before it asks for volunteers again.
 *
 * Each request costs a broker and several volunteers some work, and through a door somebody else's traffic. So the pause
 * doubles while nobody is offered, and it is long from the first where a volunteer carries and only a door is there to ask.
 */

import { ASK_PAUSES_MS } from '../limits';

/** What a page wants volunteers for: to read at all, as spares, or as spares for which a door must be asked. */
export type Want = keyof typeof ASK_PAUSES_MS;

/** Return what is wanted with `live` volunteers that carry, if a door answered last, or carries requests itself. */
export const want = (live: number, isAskedByDoor: boolean, isCarriedByDoor: boolean): Want =>
  live > 0 && isAskedByDoor ? 'sparesByDoor' : live > 0 || isCarriedByDoor ? 'spares' : 'any';

/** Return the milliseconds until the next request, after `failures` in a row that brought nobody. `random` is in [0, 1). */
export function pause_ms(wanted: Want, failures: number, random: number): number {
  const [first_ms, most_ms] = ASK_PAUSES_MS[wanted];
  // All of it is spread to twice as long, so that the readers of a restarted broker do not come in the same second.
  return Math.min(most_ms, first_ms * 2 ** failures) * (1 + random);
}
