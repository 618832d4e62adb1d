import { describe, expect, test } from 'vitest';
import { UNUSED, type RelayReport } from '../../../src/core/switch/report';
import {
  dispatch,
  INITIAL,
  isOn,
  type SwitchEffect,
  type SwitchEvent,
  type Phase,
  type SwitchState,
} from '../../../src/core/switch/store';

const press: SwitchEvent = { type: 'press', remembered: false, problem: null };
const agree: SwitchEvent = { type: 'agree', remember: false };
const stop: SwitchEvent = { type: 'stop' };
const lead: SwitchEvent = { type: 'lead', remembered: false };
const remembered: SwitchEvent = { type: 'lead', remembered: true };
const halted: SwitchEvent = { type: 'halted' };
const pause = (why: 'battery' | null): SwitchEvent => ({ type: 'pause', pause: why });
/** What a tab that leads tells. */
const mirror = (phase: Phase): SwitchEvent => ({ type: 'mirror', snapshot: { ...INITIAL.snapshot, phase } });
const ended: SwitchEvent = { type: 'ended', reason: null };
const report = (part: Partial<RelayReport> = {}): SwitchEvent => ({
  type: 'report',
  report: {
    broker: 'online',
    reason: null,
    retry_s: null,
    people: 0,
    helped: 0,
    bytes: 0,
    crossing: [],
    country: null,
    caution: false,
    tested_bytes: 0,
    ...UNUSED,
    ...part,
  },
});

function play(...events: SwitchEvent[]): { state: SwitchState; effects: SwitchEffect[]; phases: string[] } {
  let state = INITIAL;
  const effects: SwitchEffect[] = [];
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
    expect(play(press, agree, lead).effects).toEqual(['claim', 'begin']);
    expect(play(press, { type: 'refuse' }, agree, lead).effects).toEqual([]);
    expect(play(agree, lead).effects).toEqual([]);
    expect(play(press, press, agree, lead).effects).toEqual([]);
    expect(play(press, stop, agree, lead).effects).toEqual([]);
  });

  test('it is remembered only where the visitor says so', () => {
    expect(play(press, { type: 'agree', remember: true }).effects).toEqual(['remember', 'claim']);
  });

  test('a remembered yes spares the question, not the press', () => {
    expect(play({ ...press, remembered: true }, lead).effects).toEqual(['claim', 'begin']);
    expect(play(lead).effects).toEqual([]);
  });

  test('a yes holds for the page, until it is forgotten', () => {
    const { phases, effects } = play(press, agree, lead, press, ended, press);
    expect(phases.at(-1)).toBe('connecting');
    expect(effects).toEqual(['claim', 'begin', 'end', 'yield', 'claim']);
    const forget: SwitchEvent = { type: 'forget' };
    expect(play(press, agree, lead, press, ended, forget, press).phases.at(-1)).toBe('consent');
  });

  test('nothing is asked where nothing could come of it', () => {
    const { state, effects } = play({ ...press, problem: 'invite' });
    expect(state.snapshot).toMatchObject({ phase: 'problem', reason: 'invite' });
    expect(effects).toEqual([]);
  });

  test('where helping may be dangerous a second yes is asked, and a no ends it', () => {
    const { phases, effects } = play(press, agree, lead, report({ caution: true, country: 'TM' }));
    expect(phases.at(-1)).toBe('caution');
    expect(effects).not.toContain('confirm');
    const confirm: SwitchEvent = { type: 'confirm' };
    const yes = play(press, agree, lead, report({ caution: true }), confirm, report());
    expect(yes.effects.at(-1)).toBe('confirm');
    expect(yes.phases.at(-1)).toBe('waiting');
    expect(play(press, agree, lead, report({ caution: true }), stop).effects.at(-1)).toBe('end');
    expect(play(press, agree, lead, report(), confirm).effects).not.toContain('confirm');
  });
});

describe('while on', () => {
  test('phases follow the relay', () => {
    const { phases } = play(
      press,
      agree,
      lead,
      report({ broker: 'connecting' }),
      report(),
      report({ people: 2, helped: 2 }),
      report({ helped: 2 }),
      report({ broker: 'retrying', reason: 'broker_unreachable', retry_s: 3 }),
      report(),
    );
    expect(phases.slice(3)).toEqual([
      'connecting',
      'waiting',
      'helping',
      'waiting',
      'retrying',
      'waiting',
    ]);
  });

  test('people are helped although the broker is away', () => {
    const { state } = play(press, agree, lead, report({ broker: 'retrying', people: 1, helped: 1 }));
    expect(state.snapshot.phase).toBe('helping');
  });

  test('a press turns off, and off is said once everything is closed', () => {
    const { phases, effects } = play(press, agree, lead, report(), press, press, report(), ended);
    expect(phases.slice(4)).toEqual(['stopping', 'stopping', 'stopping', 'off']);
    expect(effects).toEqual(['claim', 'begin', 'end', 'yield']);
  });

  test('an end nobody asked for is a problem with its reason; a press tries again', () => {
    const failed: SwitchEvent = { type: 'ended', reason: 'network_signature' };
    const { state, phases, effects } = play(press, agree, lead, failed);
    expect(state.snapshot).toMatchObject({ phase: 'problem', reason: 'network_signature' });
    expect(play(press, agree, lead, failed, press).phases.at(-1)).toBe('connecting');
    expect(phases.at(-1)).toBe('problem');
    expect(effects).toEqual(['claim', 'begin', 'yield']);
  });

  test('a tab that cannot lead says why, and leaves the line', () => {
    const { state, effects } = play(press, agree, { type: 'failed', reason: 'script' });
    expect(state.snapshot).toMatchObject({ phase: 'problem', reason: 'script' });
    expect(effects).toEqual(['claim', 'yield']);
  });

  test('figures are shown as they are counted', () => {
    const counts = { people: 4, bytes: 25, seconds: 7 };
    const figures = { totals: counts, today: counts, ever: counts };
    const { state } = play(press, agree, lead, { type: 'figures', figures }, report());
    expect(state.snapshot).toMatchObject({ phase: 'waiting', ...figures });
  });
});

describe('pauses', () => {
  test('a reason there is already keeps anything from beginning', () => {
    const { phases, effects } = play(press, agree, pause('battery'), lead);
    expect(phases.at(-1)).toBe('paused');
    expect(effects).toEqual(['claim']);
    expect(play(press, agree, pause('battery'), lead, pause(null)).effects.at(-1)).toBe('begin');
  });

  test('one that comes ends the relay, and it goes on by itself afterwards', () => {
    const { state, phases, effects } = play(
      press,
      agree,
      lead,
      report({ people: 1, helped: 1 }),
      pause('battery'),
      ended,
      pause(null),
      report(),
    );
    expect(phases.slice(4)).toEqual(['paused', 'paused', 'connecting', 'waiting']);
    expect(effects).toEqual(['claim', 'begin', 'end', 'begin']);
    expect(state.snapshot.paused).toBe(null);
  });

  test('one that is over before the relay has ended begins anew', () => {
    const { phases, effects } = play(press, agree, lead, report(), pause('battery'), pause(null), ended);
    expect(effects).toEqual(['claim', 'begin', 'end', 'begin']);
    expect(phases.at(-1)).toBe('connecting');
  });

  test('a press turns a paused switch off for good', () => {
    const { phases, effects } = play(press, agree, lead, pause('battery'), ended, press, pause(null));
    expect(phases.slice(-2)).toEqual(['off', 'off']);
    expect(effects.at(-1)).toBe('yield');
  });
});

describe('tabs', () => {
  test('one that does not lead shows what the other does, and stands in line', () => {
    const { state, phases, effects } = play(mirror('waiting'), mirror('helping'));
    expect(phases).toEqual(['waiting', 'helping']);
    expect(state.snapshot.elsewhere).toBe(true);
    expect(effects).toEqual(['claim']);
  });

  test('it takes over where the other one went away, if the visitor agreed here or had it remembered', () => {
    for (const events of [[mirror('helping'), remembered], [press, agree, mirror('helping'), lead]]) {
      const { phases, effects } = play(...events);
      expect(phases.at(-1)).toBe('connecting');
      expect(effects).toEqual(['claim', 'begin']);
    }
  });

  test('what another tab tells is no consent', () => {
    const { state, effects } = play(mirror('helping'), lead, pause(null), report());
    expect(effects).toEqual(['claim', 'yield']);
    expect(state.snapshot).toMatchObject({ phase: 'off', elsewhere: false });
    // The visitor is asked here as on any page.
    expect(play(mirror('helping'), lead, press).phases.at(-1)).toBe('consent');
    expect(play(mirror('helping'), press, mirror('off'), press).phases.at(-1)).toBe('consent');
  });

  test('it turns off with the other, and does not take over then', () => {
    const { phases, effects } = play(mirror('helping'), mirror('stopping'), mirror('off'), lead);
    expect(phases.slice(1)).toEqual(['stopping', 'off', 'off']);
    expect(effects).toEqual(['claim', 'yield']);
  });

  test('a press there stops all', () => {
    const { phases, effects } = play(mirror('helping'), press, mirror('stopping'), mirror('off'));
    expect(effects).toEqual(['claim', 'halt', 'yield']);
    expect(phases.slice(1)).toEqual(['off', 'stopping', 'off']);
  });

  test('the one that leads obeys', () => {
    const { phases, effects } = play(press, agree, lead, report(), halted, ended);
    expect(phases.slice(-2)).toEqual(['stopping', 'off']);
    expect(effects).toEqual(['claim', 'begin', 'end', 'yield']);
  });

  test('who presses while another tab is ending is next', () => {
    const { phases, effects } = play(press, agree, mirror('off'), lead);
    expect(phases.at(-1)).toBe('connecting');
    expect(effects).toEqual(['claim', 'begin']);
  });

  test('a question in one tab is over once another tab is on', () => {
    expect(play(press, mirror('waiting')).phases).toEqual(['consent', 'waiting']);
  });
});

test('what comes late changes nothing', () => {
  expect(play(report({ people: 5 }), ended, stop, agree, lead, mirror('off')).state).toBe(INITIAL);
});

test('states are frozen, and only the events that matter make a new one', () => {
  const { state } = play(press, agree, lead, report({ people: 1, helped: 1, bytes: 1 }));
  for (const part of [state, state.snapshot, state.snapshot.crossing, state.snapshot.totals]) {
    if (part !== state.snapshot.crossing) expect(Object.isFrozen(part)).toBe(true);
  }
  expect(dispatch(state, lead)[0]).toBe(state);
});

test('after any events, something runs exactly when begin was not followed by an end', () => {
  const events: SwitchEvent[] = [
    press,
    agree,
    { type: 'refuse' },
    stop,
    ended,
    lead,
    remembered,
    { type: 'forget' },
    halted,
    report({ people: 1, helped: 1 }),
    pause('battery'),
    pause(null),
    mirror('helping'),
    mirror('off'),
    { type: 'failed', reason: 'script' },
  ];
  // A fixed linear congruential sequence: the same walk every time.
  let seed = 1;
  let state = INITIAL;
  let isRunning = false;
  let line = 'none';
  let hasAgreed = false;
  for (let step = 0; step < 20_000; step++) {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    const event = events[(seed >> 16) % events.length] ?? press;
    const [next, effects] = dispatch(state, event);
    if (event.type === 'lead' && line === 'claimed' && (state.agreed || event === remembered)) line = 'leader';
    hasAgreed ||= event === agree || event === remembered;
    if (event === ended) isRunning = false;
    for (const effect of effects) {
      if (effect === 'begin') {
        expect([isRunning, line, hasAgreed]).toEqual([false, 'leader', true]);
        isRunning = true;
      }
      if (effect === 'claim') line = 'claimed';
      if (effect === 'yield') {
        expect(isRunning).toBe(false);
        line = 'none';
      }
    }
    expect([next.relay !== 'none', next.role]).toEqual([isRunning, line]);
    if (!isOn(next.snapshot.phase) && next.snapshot.phase !== 'stopping') expect(isRunning).toBe(false);
    state = next;
  }
});
