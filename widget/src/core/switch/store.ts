/** The switch's state: `dispatch(state, event) → [state, effects]`, with frozen snapshots.
 *
 * One switch for a network, however many elements and tabs of the site show it. One tab leads: it
 * runs the relay, and tells the others, which mirror it and wait to take its place. Pure: the
 * bridge carries the effects out, the elements show the snapshot. A phase changes only when what
 * it says is confirmed, except that `stopping` begins with the wish.
 */

import type { Reason } from '../errors';
import type { RelayReport } from './report';
import type { PauseReason } from './settings';
import { NOTHING, type Counts } from './figures';

export type Phase =
  | 'off'
  | 'consent'
  | 'connecting'
  /** The broker says that helping may be dangerous here; nobody is helped before a second yes. */
  | 'caution'
  | 'waiting'
  | 'helping'
  /** On, but nothing is connected; goes on by itself. */
  | 'paused'
  | 'retrying'
  | 'stopping'
  /** Ended by itself; pressing the switch tries again. */
  | 'problem';

export interface Snapshot {
  readonly phase: Phase;
  /** People helped right now. */
  readonly people: number;
  /** A country (two letters, or null for unknown) for each of them, the newest last. */
  readonly crossing: readonly (string | null)[];
  /** Where this browser seems to be; null for unknown. */
  readonly country: string | null;
  /** Why the network cannot be helped, or null. */
  readonly reason: Reason | null;
  /** Why it pauses, or null. */
  readonly paused: PauseReason | null;
  /** Seconds until the next try, as of when this state began. */
  readonly retry_s: number | null;
  /** Whether another tab of this site does the work. */
  readonly elsewhere: boolean;
  /** What was given since this page was loaded … */
  readonly totals: Counts;
  /** … today, and in all, on this site. */
  readonly today: Counts;
  readonly ever: Counts;
}

/** What is counted outside. */
export type Figures = Pick<Snapshot, 'totals' | 'today' | 'ever'>;

export interface SwitchState {
  readonly snapshot: Snapshot;
  /** The switch is on, here or by another tab. */
  readonly wanted: boolean;
  /** The consent text is shown. */
  readonly asks: boolean;
  /** The visitor said yes, in this page or (remembered) before. */
  readonly agreed: boolean;
  /** Whether this tab does the work, or stands in line for it. */
  readonly role: 'none' | 'claimed' | 'leader';
  readonly relay: 'none' | 'up' | 'ending';
  readonly pause: PauseReason | null;
  readonly report: RelayReport | null;
  readonly problem: Reason | null;
  /** What the tab that leads shows. */
  readonly mirror: Snapshot | null;
  readonly figures: Figures;
}

export type SwitchEvent =
  /** The switch, or `start()` when it is not on; `problem` when there is no point in asking. */
  | { readonly type: 'press'; readonly remembered: boolean; readonly problem: Reason | null }
  | { readonly type: 'agree'; readonly remember: boolean }
  | { readonly type: 'refuse' }
  /** The second yes. */
  | { readonly type: 'confirm' }
  | { readonly type: 'stop' }
  /** Another tab was told to stop everything. */
  | { readonly type: 'halted' }
  /** What this tab needs to lead cannot be had. */
  | { readonly type: 'failed'; readonly reason: Reason }
  /** The visitor's earlier yes counts no more. */
  | { readonly type: 'forget' }
  /** This tab leads from now on. */
  | { readonly type: 'lead' }
  | { readonly type: 'mirror'; readonly snapshot: Snapshot }
  | { readonly type: 'pause'; readonly pause: PauseReason | null }
  | { readonly type: 'figures'; readonly figures: Figures }
  | { readonly type: 'report'; readonly report: RelayReport }
  | { readonly type: 'ended'; readonly reason: Reason | null };

export type SwitchEffect =
  /** Stand in line for the lead of this site's tabs. */
  | 'claim'
  /** Leave the line, or the lead. */
  | 'yield'
  /** Tell the other tabs to stop. */
  | 'halt'
  | 'begin'
  | 'end'
  | 'confirm'
  | 'remember';

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

/** Tell whether the switch is on in `phase`. */
export const isOn = (phase: Phase): boolean => ON.includes(phase);

export function dispatch(state: SwitchState, event: SwitchEvent): Step {
  const effects: SwitchEffect[] = [];
  const changed = settle({ ...state, ...reduce(state, event, effects) }, effects);
  const snapshot = show(changed);
  if (!differs(snapshot, state.snapshot) && !differs({ ...changed, snapshot: 0 }, { ...state, snapshot: 0 })) {
    return [state, effects];
  }
  const isNew = differs(snapshot, state.snapshot);
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
    case 'forget':
      return { agreed: false };
    case 'lead':
      return state.role === 'claimed' ? { role: 'leader', mirror: null } : {};
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

function mirror(state: SwitchState, snapshot: Snapshot): Partial<SwitchState> {
  const copy = Object.freeze({ ...snapshot, elsewhere: true });
  if (isOn(snapshot.phase)) return { mirror: copy, wanted: true, asks: false, agreed: true, problem: null };
  if (snapshot.phase === 'stopping') return { mirror: copy, wanted: false };
  // Who pressed while another tab was ending is next in line, and stays there.
  return state.mirror ? { mirror: null, wanted: false } : {};
}

function ended(state: SwitchState, reason: Reason | null): Partial<SwitchState> {
  if (state.relay === 'none') return {};
  const none = { relay: 'none', report: null } as const;
  const wasAsked = state.relay === 'ending' || state.pause !== null;
  return wasAsked ? none : { ...none, wanted: false, problem: reason };
}

/** Bring what runs in line with what is wanted. */
function settle(state: SwitchState, effects: SwitchEffect[]): SwitchState {
  let { role, relay, report } = state;
  const should = state.wanted && !state.pause;
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
  return {
    ...OFF,
    ...figures,
    phase,
    people: shown?.people ?? 0,
    crossing: shown?.crossing ?? NOBODY,
    country: report?.country ?? null,
    reason: phase === 'problem' ? state.problem : (shown?.reason ?? null),
    paused: phase === 'paused' ? state.pause : null,
    retry_s: shown?.retry_s ?? null,
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
