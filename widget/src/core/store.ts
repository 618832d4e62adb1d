/** The switch's state: `dispatch(state, event) → [state, effects]`, with frozen snapshots.
 *
 * Pure: the element carries the effects out and shows the state. A phase changes only when what it
 * says is confirmed, except that `stopping` begins with the wish.
 */

import type { Reason } from './fault';
import type { Report } from './report';

export type Phase =
  | 'off'
  | 'consent'
  | 'connecting'
  | 'waiting'
  | 'helping'
  | 'retrying'
  | 'stopping'
  /** Ended by itself; pressing the switch tries again. */
  | 'problem';

export interface Totals {
  /** People helped since the page was loaded. */
  readonly people: number;
  /** Bytes carried since then, both ways together. */
  readonly bytes: number;
}

export interface Snapshot {
  readonly phase: Phase;
  /** People helped right now. */
  readonly people: number;
  readonly reason: Reason | null;
  /** Seconds until the next try, as of when this state began. */
  readonly retry_s: number | null;
  readonly totals: Totals;
}

export interface State {
  readonly snapshot: Snapshot;
  /** The visitor said yes, in this page or (remembered) before. */
  readonly agreed: boolean;
  /** Totals of the sessions before this one. */
  readonly earlier: Totals;
}

export type Event =
  /** The switch, or `start()` when it is not on; `problem` when there is no point in asking. */
  | { readonly type: 'press'; readonly remembered: boolean; readonly problem: Reason | null }
  | { readonly type: 'agree'; readonly remember: boolean }
  | { readonly type: 'refuse' }
  | { readonly type: 'stop' }
  /** Another network: what the visitor agreed to is no longer what is offered. */
  | { readonly type: 'network' }
  | { readonly type: 'report'; readonly report: Report }
  | { readonly type: 'ended'; readonly reason: Reason | null };

export type Effect = 'begin' | 'end' | 'remember';

export type Step = readonly [State, readonly Effect[]];

const NOTHING: Totals = Object.freeze({ people: 0, bytes: 0 });

export const INITIAL: State = Object.freeze({
  snapshot: Object.freeze({
    phase: 'off',
    people: 0,
    reason: null,
    retry_s: null,
    totals: NOTHING,
  }),
  agreed: false,
  earlier: NOTHING,
});

const RUNNING: readonly Phase[] = ['connecting', 'waiting', 'helping', 'retrying'];

/** Tell whether a session is on in `phase`. */
export const isOn = (phase: Phase): boolean => RUNNING.includes(phase);

export function dispatch(state: State, event: Event): Step {
  const { phase } = state.snapshot;
  const idle = phase === 'off' || phase === 'problem';
  switch (event.type) {
    case 'press':
      if (isOn(phase)) return [to(state, 'stopping'), ['end']];
      if (phase === 'consent') return [to(state, 'off'), []];
      if (!idle) return [state, []];
      if (event.problem) return [to(state, 'problem', event.problem), []];
      if (state.agreed || event.remembered) return begin(state, []);
      return [to(state, 'consent'), []];
    case 'agree':
      return phase === 'consent' ? begin(state, event.remember ? ['remember'] : []) : [state, []];
    case 'refuse':
      return [phase === 'consent' ? to(state, 'off') : state, []];
    case 'stop':
      return stop(state);
    case 'network':
      return stop(Object.freeze({ ...state, agreed: false }));
    case 'report':
      return [isOn(phase) || phase === 'stopping' ? reported(state, event.report) : state, []];
    case 'ended':
      if (!isOn(phase) && phase !== 'stopping') return [state, []];
      return [ended(state, event.reason), []];
  }
}

function begin(state: State, effects: readonly Effect[]): Step {
  return [Object.freeze({ ...to(state, 'connecting'), agreed: true }), ['begin', ...effects]];
}

function stop(state: State): Step {
  const { phase } = state.snapshot;
  if (isOn(phase)) return [to(state, 'stopping'), ['end']];
  return [phase === 'off' || phase === 'stopping' ? state : to(state, 'off'), []];
}

function reported(state: State, report: Report): State {
  const totals = Object.freeze({
    people: state.earlier.people + report.helped,
    bytes: state.earlier.bytes + report.bytes,
  });
  if (state.snapshot.phase === 'stopping') return change(state, { totals });
  const phases = { connecting: 'connecting', online: 'waiting', retrying: 'retrying' } as const;
  return change(state, {
    phase: report.people > 0 ? 'helping' : phases[report.broker],
    people: report.people,
    reason: report.reason,
    retry_s: report.retry_s,
    totals,
  });
}

function ended(state: State, reason: Reason | null): State {
  const wanted = state.snapshot.phase === 'stopping';
  const next = reason && !wanted ? to(state, 'problem', reason) : to(state, 'off');
  return Object.freeze({ ...next, earlier: next.snapshot.totals });
}

function to(state: State, phase: Phase, reason: Reason | null = null): State {
  return change(state, { phase, people: 0, reason, retry_s: null });
}

function change(state: State, part: Partial<Snapshot>): State {
  return Object.freeze({ ...state, snapshot: Object.freeze({ ...state.snapshot, ...part }) });
}
