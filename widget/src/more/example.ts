/** Made-up states for designing a page. The switch marks them as examples. */

import { MEGABYTE, type PauseReason } from '../core/switch/settings';
import { INITIAL, type Phase, type Snapshot } from '../core/switch/store';

/** What is particular to each phase. */
export const EXAMPLES: Readonly<Record<string, Partial<Snapshot>>> = {
  off: {},
  consent: {},
  connecting: {},
  caution: { country: 'AQ' },
  waiting: { reach: 'some', demand: 'some', failed: 2 },
  helping: { people: 3, crossing: ['IR', 'MM', null], reach: 'everybody' },
  paused: { paused: 'battery' satisfies PauseReason },
  retrying: { reason: 'broker_restart', retry_s: 40 },
  stopping: {},
  problem: { reason: 'no_webrtc' },
};

/** Return a made-up state of the phase `name`; of `helping` when no phase has that name. */
export function example(name: string): Snapshot {
  const phase = EXAMPLES[name] ? name : 'helping';
  return Object.freeze({
    ...INITIAL.snapshot,
    country: 'FR',
    totals: { people: 3, bytes: 96 * MEGABYTE, seconds: 2_340 },
    today: { people: 4, bytes: 182 * MEGABYTE, seconds: 5_460 },
    ever: { people: 57, bytes: 4_180 * MEGABYTE, seconds: 137_000 },
    phase: phase as Phase,
    ...EXAMPLES[phase],
  });
}
