/** How long to wait before trying again. The wait grows exponentially, and all of it is random, so
 * that the volunteers of a restarted broker do not come back in the same second. */

const FIRST_S = 1;
const LONGEST_S = 60;

/** Return the seconds to wait before attempt number `attempt`, counted from 0. `random` is in [0, 1). */
export function delay_s(attempt: number, random: number): number {
  return random * Math.min(LONGEST_S, FIRST_S * 2 ** Math.min(attempt, 30));
}
