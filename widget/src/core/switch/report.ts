/** What the relay reports, and the limits it is given. */

import type { Reason } from '../errors';
import type { Demand } from '../wire/signalling';
import type { Rates } from './speed';

/** Whom this device can help, as far as its network tells: everybody, people whose own networks allow it, or nobody. */
export const REACHES = ['everybody', 'some', 'nobody'] as const;

export type Reach = (typeof REACHES)[number];

/** Why this device's rate is not known: the visitor's limits leave no room for a test, or no exit answered it. */
export const UNTESTED = ['limits', 'silent'] as const;

export type Untested = (typeof UNTESTED)[number];

/** What a volunteer may know of its own use. */
export interface Use {
  /** Null until it is known, and where it cannot be found out. */
  readonly reach: Reach | null;
  /** How many readers had to wait for a volunteer lately, as the broker rounds it; null where it does not tell. */
  readonly demand: Demand | null;
  /** Links that came to nothing, in this run of the relay. They are no people helped. */
  readonly failed: number;
  /** When somebody was helped last, in Unix seconds; null if nobody was in this run. */
  readonly helped_at_s: number | null;
  /** Since when nobody is helped although somebody could be, in Unix seconds; null otherwise. */
  readonly waits_since_s: number | null;
  /** How fast this device is; null until that is known, and where it cannot be found out. */
  readonly rates: Rates | null;
  /** Why that cannot be found out, or null. */
  readonly untested: Untested | null;
}

export const UNUSED: Use = Object.freeze({
  reach: null,
  demand: null,
  failed: 0,
  helped_at_s: null,
  waits_since_s: null,
  rates: null,
  untested: null,
});

/** Return what a volunteer may know of its own use, without the rest of a report. */
export const useOf = ({ reach, demand, failed, helped_at_s, waits_since_s, rates, untested }: Use): Use => ({
  reach,
  demand,
  failed,
  helped_at_s,
  waits_since_s,
  rates,
  untested,
});

/** What the relay is doing. It is sent whenever it changes. Counts are of this run of the relay. */
export interface RelayReport extends Use {
  /** Whether a broker is connected, and if not, whether the relay waits before it tries again. */
  readonly broker: 'connecting' | 'online' | 'retrying';
  /** While `retrying`: why no broker is connected. */
  readonly reason: Reason | null;
  /** While `retrying`: seconds until the next try. */
  readonly retry_s: number | null;
  /** People being helped now: those with at least one link that is open on both sides. */
  readonly people: number;
  /** People helped so far. */
  readonly helped: number;
  /** Bytes carried so far, both directions together. */
  readonly bytes: number;
  /** The country of each person being helped (two letters, or null for unknown), the newest last. */
  readonly crossing: readonly (string | null)[];
  /** Where the broker believes this browser is; null for unknown. */
  readonly country: string | null;
  /** Whether helping may be dangerous there. Then nobody is helped before the visitor confirms. */
  readonly caution: boolean;
  /** Bytes that tests of the rate moved, both directions together. They are no bytes carried. */
  readonly tested_bytes: number;
}

/** The test of this device's rate that the relay makes before it helps anybody. */
export interface TestPlan {
  /** Bytes to move each way, at most; 0 for no test. */
  readonly bytes: number;
  /** What an earlier test found, or null. */
  readonly rates: Rates | null;
  /** Why there is no test although nothing is known, or null. */
  readonly untested: Untested | null;
}

export const NO_TEST: TestPlan = Object.freeze({ bytes: 0, rates: null, untested: null });

/** What the volunteer gives at most. */
export interface VolunteerLimits {
  /** The token of the only family that is helped; '' to help everybody. */
  readonly family: string;
  /** People helped at once. */
  readonly people: number;
  /** Links of one person. */
  readonly lanes: number;
  /** 10⁶ bits copied a second, all links and both directions together; Infinity for no limit. */
  readonly mbit: number;
  /** Bytes carried in this run of the relay, which ends when they are reached; Infinity for no limit. */
  readonly bytes: number;
}
