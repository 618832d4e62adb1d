import { describe, expect, test } from 'vitest';
import { REASONS } from '../../src/core/fault';
import type { Report } from '../../src/core/report';
import {
  dispatch,
  INITIAL,
  isOn,
  type Effect,
  type Event,
  type State,
} from '../../src/core/store';
import { retry, status, totals } from '../../src/element/words';

const press: Event = { type: 'press', remembered: false, problem: null };
const agree: Event = { type: 'agree', remember: false };
const stop: Event = { type: 'stop' };
const ended: Event = { type: 'ended', reason: null };
const report = (part: Partial<Report> = {}): Event => ({
  type: 'report',
  report: {
    broker: 'online',
    reason: null,
    retry_s: null,
    people: 0,
    helped: 0,
    bytes: 0,
    ...part,
  },
});

function play(...events: Event[]): { state: State; effects: Effect[]; phases: string[] } {
  let state = INITIAL;
  const effects: Effect[] = [];
  const phases: string[] = [];
  for (const event of events) {
    const [next, more] = dispatch(state, event);
    state = next;
    effects.push(...more);
    phases.push(state.snapshot.phase);
  }
  return { state, effects, phases };
}

describe('consent', () => {
  test('the first press asks, and does nothing else', () => {
    const { phases, effects } = play(press);
    expect(phases).toEqual(['consent']);
    expect(effects).toEqual([]);
  });

  test('only a yes begins', () => {
    expect(play(press, agree).effects).toEqual(['begin']);
    expect(play(press, { type: 'refuse' }, agree).effects).toEqual([]);
    expect(play(agree).effects).toEqual([]);
    expect(play(press, press, agree).effects).toEqual([]);
    expect(play(press, stop, agree).effects).toEqual([]);
  });

  test('it is remembered only where the visitor says so', () => {
    expect(play(press, { type: 'agree', remember: true }).effects).toEqual(['begin', 'remember']);
  });

  test('a remembered yes spares the question, not the press', () => {
    expect(play({ ...press, remembered: true }).effects).toEqual(['begin']);
  });

  test('a yes holds for the page', () => {
    const { phases, effects } = play(press, agree, press, ended, press);
    expect(phases.at(-1)).toBe('connecting');
    expect(effects).toEqual(['begin', 'end', 'begin']);
  });

  test('a yes does not hold for another network', () => {
    const { phases, effects } = play(press, agree, { type: 'network' }, ended, press);
    expect(phases).toEqual(['consent', 'connecting', 'stopping', 'off', 'consent']);
    expect(effects).toEqual(['begin', 'end']);
  });

  test('nothing is asked where nothing could come of it', () => {
    const { state, effects } = play({ ...press, problem: 'invite' });
    expect(state.snapshot).toMatchObject({ phase: 'problem', reason: 'invite' });
    expect(effects).toEqual([]);
  });
});

describe('while on', () => {
  test('phases follow the relay', () => {
    const { phases } = play(
      press,
      agree,
      report({ broker: 'connecting' }),
      report(),
      report({ people: 2, helped: 2 }),
      report({ helped: 2 }),
      report({ broker: 'retrying', reason: 'broker_unreachable', retry_s: 3 }),
      report(),
    );
    expect(phases.slice(2)).toEqual([
      'connecting',
      'waiting',
      'helping',
      'waiting',
      'retrying',
      'waiting',
    ]);
  });

  test('people are helped although the broker is away', () => {
    const { state } = play(press, agree, report({ broker: 'retrying', people: 1, helped: 1 }));
    expect(state.snapshot.phase).toBe('helping');
  });

  test('a press turns off, and off is said once everything is closed', () => {
    const { phases, effects } = play(press, agree, report(), press, press, report(), ended);
    expect(phases.slice(3)).toEqual(['stopping', 'stopping', 'stopping', 'off']);
    expect(effects).toEqual(['begin', 'end']);
  });

  test('an end nobody asked for is a problem with its reason; a press tries again', () => {
    const failed: Event = { type: 'ended', reason: 'network_signature' };
    const { state, phases, effects } = play(press, agree, failed);
    expect(state.snapshot).toMatchObject({ phase: 'problem', reason: 'network_signature' });
    expect(play(press, agree, failed, press).phases.at(-1)).toBe('connecting');
    expect(phases.at(-1)).toBe('problem');
    expect(effects).toEqual(['begin']);
  });

  test('totals go on over sessions', () => {
    const one = report({ helped: 2, bytes: 10 });
    const { state } = play(press, agree, one, stop, report({ helped: 2, bytes: 15 }), ended, press, one);
    expect(state.snapshot.totals).toEqual({ people: 4, bytes: 25 });
  });
});

test('what comes late changes nothing', () => {
  expect(play(report({ people: 5 }), ended, stop, agree).state).toBe(INITIAL);
});

test('states are frozen, and only the events that matter make a new one', () => {
  const { state } = play(press, agree, report({ people: 1, helped: 1, bytes: 1 }));
  for (const part of [state, state.snapshot, state.snapshot.totals]) {
    expect(Object.isFrozen(part)).toBe(true);
  }
  expect(dispatch(INITIAL, { type: 'network' })[0].snapshot).toBe(INITIAL.snapshot);
});

test('after any events, something runs exactly when begin was not followed by an end', () => {
  const events: Event[] = [
    press,
    agree,
    { type: 'refuse' },
    stop,
    ended,
    report({ people: 1, helped: 1 }),
    { type: 'network' },
  ];
  // A fixed linear congruential sequence: the same walk every time.
  let seed = 1;
  let state = INITIAL;
  let isRunning = false;
  for (let step = 0; step < 20_000; step++) {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    const event = events[(seed >> 16) % events.length] ?? press;
    const [next, effects] = dispatch(state, event);
    if (effects.includes('begin')) {
      expect(isRunning).toBe(false);
      isRunning = true;
    }
    if (event === ended) isRunning = false;
    expect(isOn(next.snapshot.phase) || next.snapshot.phase === 'stopping').toBe(isRunning);
    state = next;
  }
});

test('every reason and phase has its sentence', () => {
  for (const reason of REASONS) {
    const sentence = status({ ...INITIAL.snapshot, phase: 'problem', reason });
    expect(sentence).toMatch(/^[A-Z].+\.$/);
  }
  expect(status({ ...INITIAL.snapshot, phase: 'helping', people: 1 })).toBe('Helping 1 person now.');
  expect(status({ ...INITIAL.snapshot, phase: 'helping', people: 3 })).toBe('Helping 3 people now.');
  expect(totals({ people: 0, bytes: 0 })).toBe('');
  expect(totals({ people: 1, bytes: 1_234_567 })).toContain('1 person helped, 1.23 MB carried');
  expect(retry(5)).toContain('5 s');
});
