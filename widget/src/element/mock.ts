/** What the switch shows while its page is designed: invented states, for the attribute `mock`.
 *
 * Pure: a snapshot that nothing measured. The element shows it with a mark beside it, and while it
 * does, pressing the switch changes nothing.
 */

import type { Phase, Snapshot } from '../core/store';

const HELPED = Object.freeze({ people: 23, bytes: 1_284_000_000 });
const NOTHING = Object.freeze({ people: 0, bytes: 0 });

const OFF: Snapshot = Object.freeze({
  phase: 'off',
  people: 0,
  reason: null,
  retry_s: null,
  totals: NOTHING,
});

const PARTS: Readonly<Partial<Record<Phase, Partial<Snapshot>>>> = {
  off: {},
  consent: {},
  connecting: {},
  waiting: { totals: HELPED },
  helping: { people: 3, totals: HELPED },
  retrying: { reason: 'broker_unreachable', totals: HELPED },
  stopping: { totals: HELPED },
  problem: { reason: 'no_webrtc' },
};

/** Return what `mock="…"` shows: the phase of that name, or `off` for any other word. */
export function mock(word: string): Snapshot {
  const phase = Object.keys(PARTS).includes(word) ? (word as Phase) : 'off';
  return Object.freeze({ ...OFF, ...PARTS[phase], phase });
}
