/** Made-up states for somebody who designs a page; the switch marks them as examples. */

import type { PauseReason } from '../core/switch/settings';
import { INITIAL, type Phase, type Snapshot } from '../core/switch/store';

const MB = 1e6;

/** Return a state by the name of its phase; `helping` for any other name. */
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
    totals: { people: 3, bytes: 96 * MB, seconds: 2_340 },
    today: { people: 4, bytes: 182 * MB, seconds: 5_460 },
    ever: { people: 57, bytes: 4_180 * MB, seconds: 137_000 },
    phase: (part ? name : 'helping') as Phase,
    ...(part ?? helping),
  });
}
