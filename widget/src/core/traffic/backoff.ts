/** How long to wait before trying again. The wait doubles from one second on, and all of it is random, so
 * that the volunteers of a restarted broker do not come back in the same second. */

const LONGEST_S = 60;

/** Return the seconds to wait before attempt number `attempt`. `random` is in [0, 1).
 *
 * From attempt 0 on the wait grows. Attempts before it, with a negative number, wait up to `steady_s`.
 */
export function delay_s(attempt: number, random: number, steady_s: number): number {
  return random * (attempt < 0 ? steady_s : Math.min(LONGEST_S, 2 ** attempt));
}
