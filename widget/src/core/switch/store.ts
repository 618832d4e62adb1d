/** The state machine of the switch: `dispatch(state, event) → [state, effects]`.
 *
 * A network has one switch, however many elements and tabs of the site show it. One tab leads: it runs
 * the relay and tells the other tabs, which show the same and stand in line to take its place.
 *
 * `NetworkSwitch` carries the effects out, and the elements show the frozen snapshot. A phase is shown
 * only once it is true; only `stopping` is shown as soon as the visitor wants it.
 */

import type { Reason } from '../errors';
import { NOTHING, type Figures } from './figures';
import { UNUSED, useOf, type RelayReport, type Use } from './report';
import type { PauseReason } from './settings';

export const PHASES = [
  'off',
  'consent',
  'connecting',
  /** The broker says that helping may be dangerous here. Nobody is helped before the visitor confirms. */
  'caution',
  'waiting',
  'helping',
  /** The switch is on, but nothing is connected for a while. It goes on by itself. */
  'paused',
  'retrying',
  'stopping',
  /** The switch turned itself off. Pressing it tries again. */
  'problem',
] as const;

export type Phase = (typeof PHASES)[number];

/** What the switch shows. */
export interface Snapshot extends Figures, Use {
  readonly phase: Phase;
  /** People helped right now. */
  readonly people: number;
  /** The country of each person being helped (two letters, or null for unknown), the newest last. */
  readonly crossing: readonly (string | null)[];
  /** Where the broker believes this browser is; null for unknown. */
  readonly country: string | null;
  /** Why the switch cannot help, or null. */
  readonly reason: Reason | null;
  /** Why the switch pauses, or null. */
  readonly paused: PauseReason | null;
  /** Seconds until the next try, counted from the moment of this snapshot. */
  readonly retry_s: number | null;
  /** Whether another tab of this site runs the relay. */
  readonly elsewhere: boolean;
}

export interface SwitchState {
  readonly snapshot: Snapshot;
  /** Whether the visitor wants the switch on. They may have said so in another tab. */
  readonly wanted: boolean;
  /** Whether the consent text is shown. */
  readonly asks: boolean;
  /** Whether the visitor agreed, on this page or on an earlier one that remembered it. What another tab
   * tells is no agreement: any page of the site can tell it. */
  readonly agreed: boolean;
  /** Whether this tab leads (`leader`), stands in line to lead (`claimed`), or neither. */
  readonly role: 'none' | 'claimed' | 'leader';
  /** What this tab's relay does. */
  readonly relay: 'none' | 'up' | 'ending';
  /** The reason to pause now, or null. */
  readonly pause: PauseReason | null;
  /** The relay's last report; null before its first. */
  readonly report: RelayReport | null;
  /** Why the switch turned itself off, or null. */
  readonly problem: Reason | null;
  /** What the leading tab shows; null when no other tab leads. */
  readonly mirror: Snapshot | null;
  readonly figures: Figures;
}

/** What happened. */
export type SwitchEvent =
  /** The visitor pressed the switch, or the page called `start()` while it was off. `remembered` says that
   * the visitor agreed on an earlier page. `problem` says that there is no point in asking them. */
  | { readonly type: 'press'; readonly remembered: boolean; readonly problem: Reason | null }
  | { readonly type: 'agree'; readonly remember: boolean }
  | { readonly type: 'refuse' }
  /** The visitor helps although it may be dangerous where they are. */
  | { readonly type: 'confirm' }
  | { readonly type: 'stop' }
  /** The visitor stopped everything in another tab, or this page is going. */
  | { readonly type: 'halted' }
  /** This tab cannot lead, because a file that it needs cannot be loaded. */
  | { readonly type: 'failed'; readonly reason: Reason }
  /** The switch may not be on in this page, for `reason`. */
  | { readonly type: 'barred'; readonly reason: Reason }
  /** The visitor's earlier agreement does not count any more. */
  | { readonly type: 'forget' }
  /** This tab is next to lead. `remembered` says that the visitor agreed on an earlier page. */
  | { readonly type: 'lead'; readonly remembered: boolean }
  /** The leading tab shows `snapshot`. */
  | { readonly type: 'mirror'; readonly snapshot: Snapshot }
  /** There is a reason to pause, or none any more. */
  | { readonly type: 'pause'; readonly pause: PauseReason | null }
  | { readonly type: 'figures'; readonly figures: Figures }
  | { readonly type: 'report'; readonly report: RelayReport }
  /** The relay has closed everything. `reason` is set when it gave up by itself. */
  | { readonly type: 'ended'; readonly reason: Reason | null };

/** What has to be done now. */
export type SwitchEffect =
  /** Stand in line to lead the tabs of this site. */
  | 'claim'
  /** Leave the line, or give up the lead. */
  | 'yield'
  /** Tell the other tabs to stop. */
  | 'halt'
  /** Start the relay. */
  | 'begin'
  /** Let people move to other volunteers, and end the relay. */
  | 'end'
  /** Tell the relay that the visitor confirmed. */
  | 'confirm'
  /** Remember on this site that the visitor agreed. */
  | 'remember';

/** The state after an event, and the effects to carry out. */
export type Step = readonly [SwitchState, readonly SwitchEffect[]];

const FIGURES: Figures = Object.freeze({ totals: NOTHING, today: NOTHING, ever: NOTHING });
const NOBODY: readonly (string | null)[] = Object.freeze([]);
const OFF: Snapshot = Object.freeze({
  phase: 'off',
  people: 0,
  crossing: NOBODY,
  country: null,
  reason: null,
  paused: null,
  retry_s: null,
  elsewhere: false,
  ...UNUSED,
  ...FIGURES,
});

export const INITIAL: SwitchState = Object.freeze({
  snapshot: OFF,
  wanted: false,
  asks: false,
  agreed: false,
  role: 'none',
  relay: 'none',
  pause: null,
  report: null,
  problem: null,
  mirror: null,
  figures: FIGURES,
});

const ON: readonly string[] = ['connecting', 'caution', 'waiting', 'helping', 'paused', 'retrying'];

/** Return whether the switch is on in `phase`. */
export const isOn = (phase: Phase): boolean => ON.includes(phase);

/** Return the state after `event`, which is `state` itself when nothing changed. */
export function dispatch(state: SwitchState, event: SwitchEvent): Step {
  const effects: SwitchEffect[] = [];
  const changed = settle({ ...state, ...reduce(state, event, effects) }, effects);
  const snapshot = show(changed);
  // A snapshot that says the same is the same, though its lists and figures are other objects.
  const isNew = JSON.stringify(snapshot) !== JSON.stringify(state.snapshot);
  if (!isNew && !differs({ ...changed, snapshot: 0 }, { ...state, snapshot: 0 })) return [state, effects];
  return [Object.freeze({ ...changed, snapshot: isNew ? Object.freeze(snapshot) : state.snapshot }), effects];
}

function reduce(state: SwitchState, event: SwitchEvent, effects: SwitchEffect[]): Partial<SwitchState> {
  switch (event.type) {
    case 'press':
      return press(state, event, effects);
    case 'agree':
      if (!state.asks) return {};
      if (event.remember) effects.push('remember');
      return { asks: false, agreed: true, wanted: true };
    case 'refuse':
      return { asks: false };
    case 'confirm':
      if (state.relay === 'up' && state.report?.caution) effects.push('confirm');
      return {};
    case 'stop':
      return stop(state, effects);
    case 'halted':
      return { wanted: false, asks: false, mirror: null };
    case 'failed':
      return state.role === 'claimed' ? { wanted: false, problem: event.reason } : {};
    case 'barred':
      return { wanted: false, asks: false, problem: event.reason };
    case 'forget':
      return { agreed: false };
    case 'lead':
      return lead(state, event.remembered);
    case 'mirror':
      return state.role === 'leader' ? {} : mirror(state, event.snapshot);
    case 'pause':
      return { pause: event.pause };
    case 'figures':
      return { figures: event.figures };
    case 'report':
      return state.relay === 'none' ? {} : { report: event.report };
    case 'ended':
      return ended(state, event.reason);
  }
}

function press(
  state: SwitchState,
  { remembered, problem }: SwitchEvent & { type: 'press' },
  effects: SwitchEffect[],
): Partial<SwitchState> {
  if (state.wanted) return stop(state, effects);
  if (state.asks) return { asks: false };
  if (state.snapshot.phase === 'stopping') return {};
  if (problem) return { problem };
  if (state.agreed || remembered) return { wanted: true, agreed: true, problem: null };
  return { asks: true, problem: null };
}

function stop(state: SwitchState, effects: SwitchEffect[]): Partial<SwitchState> {
  if (state.mirror && state.wanted) effects.push('halt');
  return { wanted: false, asks: false, problem: null, mirror: null };
}

/** Lead, unless nobody agreed. Then the tab that was shown is gone, and what it did is over. */
function lead({ role, agreed }: SwitchState, remembered: boolean): Partial<SwitchState> {
  if (role !== 'claimed') return {};
  return agreed || remembered ? { role: 'leader', agreed: true, mirror: null } : { wanted: false, mirror: null };
}

function mirror(state: SwitchState, snapshot: Snapshot): Partial<SwitchState> {
  const copy = Object.freeze({ ...snapshot, elsewhere: true });
  if (isOn(snapshot.phase)) return { mirror: copy, wanted: true, asks: false, problem: null };
  if (snapshot.phase === 'stopping') return { mirror: copy, wanted: false };
  // A tab that showed another one turns off with it. A visitor who pressed here while the other tab was
  // ending is next in line, and stays there.
  return state.mirror ? { mirror: null, wanted: false } : {};
}

function ended(state: SwitchState, reason: Reason | null): Partial<SwitchState> {
  if (state.relay === 'none') return {};
  const none = { relay: 'none', report: null } as const;
  const wasAsked = state.relay === 'ending' || state.pause !== null;
  return wasAsked ? none : { ...none, wanted: false, problem: reason };
}

/** Begin and end things until what runs is what is wanted. No other function decides this, so no order of
 * events can leave a relay running that nobody wants. */
function settle(state: SwitchState, effects: SwitchEffect[]): SwitchState {
  let { role, relay, report } = state;
  const should = state.wanted && state.agreed && !state.pause;
  if (state.wanted && role === 'none') {
    effects.push('claim');
    role = 'claimed';
  }
  if (should && role === 'leader' && relay === 'none') {
    effects.push('begin');
    relay = 'up';
    report = null;
  }
  if (!should && relay === 'up') {
    effects.push('end');
    relay = 'ending';
  }
  if (!state.wanted && relay === 'none' && role !== 'none') {
    effects.push('yield');
    role = 'none';
  }
  return { ...state, role, relay, report };
}

function show(state: SwitchState): Snapshot {
  const { mirror: other, report, figures } = state;
  if (other) return other;
  const phase = phaseOf(state);
  const shown = state.relay === 'up' && phase !== 'connecting' ? report : null;
  const { people, crossing, reason, retry_s } = shown ?? OFF;
  return {
    ...OFF,
    ...figures,
    phase,
    people,
    crossing,
    country: report?.country ?? null,
    reason: phase === 'problem' ? state.problem : reason,
    paused: phase === 'paused' ? state.pause : null,
    retry_s,
    ...useOf(shown ?? OFF),
  };
}

function phaseOf({ wanted, asks, problem, pause, role, relay, report }: SwitchState): Phase {
  if (asks) return 'consent';
  if (!wanted) {
    if (relay !== 'none') return 'stopping';
    return problem ? 'problem' : 'off';
  }
  if (pause && role === 'leader') return 'paused';
  if (!report || relay !== 'up') return 'connecting';
  if (report.people > 0) return 'helping';
  if (report.broker === 'online') return report.caution ? 'caution' : 'waiting';
  return report.broker;
}

function differs(one: object, other: object): boolean {
  const before = new Map<string, unknown>(Object.entries(other));
  return Object.entries(one).some(([name, value]) => value !== before.get(name));
}
