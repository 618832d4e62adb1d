/** Made-up states for designing a page. The switch marks them as examples. */

import { MEGABYTE, type PauseReason } from '../core/switch/settings';
import { INITIAL, type Phase, type Snapshot } from '../core/switch/store';

/** Return a made-up state of the phase `name`; of `helping` when no phase has that name. */
export function example(name: string): Snapshot {
  const phases: Readonly<Record<string, Partial<Snapshot>>> = {
    off: {},
    consent: {},
    connecting: {},
    caution: { country: 'AQ' },
    waiting: {},
    paused: { paused: 'battery' satisfies PauseReason },
    retrying: { reason: 'broker_restart', retry_s: 40 },
    stopping: {},
    problem: { reason: 'no_webrtc' },
  };
  const part = phases[name];
  const helping: Partial<Snapshot> = { people: 3, crossing: ['IR', 'MM', null] };
  return Object.freeze({
    ...INITIAL.snapshot,
    country: 'FR',
    totals: { people: 3, bytes: 96 * MEGABYTE, seconds: 2_340 },
    today: { people: 4, bytes: 182 * MEGABYTE, seconds: 5_460 },
    ever: { people: 57, bytes: 4_180 * MEGABYTE, seconds: 137_000 },
    phase: (part ? name : 'helping') as Phase,
    ...(part ?? helping),
  });
}
