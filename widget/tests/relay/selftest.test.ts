import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { NO_TEST, UNUSED, type RelayReport, type TestPlan } from '../../src/core/switch/report';
import { SelfTest } from '../../src/relay/selftest';
import { FakeSocket } from './platform';

const TICKET = { exit: 'exit-1', ticket: 'tick' };
const EXITS = [{ id: 'exit-1', url: 'wss://exit.example/v1/link' }];
const RATES = { down_mbit: 50, up_mbit: 5, isSmall: false };
const PLAN: TestPlan = { ...NO_TEST, bytes: 65_536 };
const ONLINE: RelayReport = {
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
};

function setUp(plan: TestPlan) {
  const events = { changed: vi.fn(), renew: vi.fn(), stuck: vi.fn() };
  const own = new SelfTest(events);
  own.begin(plan);
  /** Let the test find `mbit` each way. */
  const find = (mbit: number) => {
    const socket = FakeSocket.made.at(-1) as FakeSocket;
    socket.open();
    const step_ms = 65_536 / 125 / mbit / 16;
    for (let got = 0; socket.closed === null; ) {
      vi.advanceTimersByTime(step_ms);
      if (!socket.sent.some((data) => data instanceof Uint8Array)) socket.receive(new ArrayBuffer(4096));
      else if (socket.closed === null) socket.tell({ type: 'got', bytes: (got += 4096) });
    }
  };
  return { own, events, find };
}

beforeEach(() => {
  FakeSocket.made = [];
  vi.stubGlobal('WebSocket', FakeSocket);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('nobody is helped before the test, and its result is told', () => {
  const { own, events, find } = setUp(PLAN);
  expect([own.holdsBack, own.isDue, own.tell(ONLINE).broker]).toEqual([true, true, 'connecting']);
  own.welcome(TICKET, EXITS as never);
  expect(FakeSocket.made[0]).toMatchObject({ url: EXITS[0]?.url, protocols: ['passerelle.v1', 'tick'] });
  expect([own.holdsBack, own.isDue, own.tell(ONLINE).broker]).toEqual([true, false, 'connecting']);
  find(10);
  expect(events.changed).toHaveBeenCalledOnce();
  expect(own.holdsBack).toBe(false);
  expect(own.tell(ONLINE)).toMatchObject({
    broker: 'online',
    rates: { down_mbit: 10, up_mbit: 10, isSmall: true },
    untested: null,
    tested_bytes: 131_072,
  });
  own.welcome(TICKET, EXITS as never);
  expect(FakeSocket.made).toHaveLength(1);
});

test('what is known, or cannot be tested, holds nobody back', () => {
  for (const plan of [{ ...NO_TEST, rates: RATES }, { ...NO_TEST, untested: 'limits' as const }, NO_TEST]) {
    const { own } = setUp(plan);
    expect(own.holdsBack).toBe(false);
    own.welcome(TICKET, EXITS as never);
    expect(own.tell(ONLINE)).toEqual({ ...ONLINE, rates: plan.rates, untested: plan.untested });
  }
  expect(FakeSocket.made).toHaveLength(0);
});

test.each([
  ['an older broker', null],
  ['an exit that is not in the description', { ...TICKET, exit: 'exit-2' }],
])('%s tests nothing, and nothing is said of it', (_who, ticket) => {
  const { own } = setUp(PLAN);
  own.welcome(ticket, EXITS as never);
  expect(own.holdsBack).toBe(false);
  expect(own.tell(ONLINE)).toEqual(ONLINE);
  expect(FakeSocket.made).toHaveLength(0);
});

test('an exit that does not answer leaves it unknown, and somebody may be helped', () => {
  const { own } = setUp(PLAN);
  own.welcome(TICKET, EXITS as never);
  FakeSocket.made[0]?.refuse();
  expect(own.holdsBack).toBe(false);
  expect(own.tell(ONLINE)).toMatchObject({ broker: 'online', rates: null, untested: 'silent' });
});

test('a device that is too slow says so, helps nobody, and tests again', () => {
  const { own, events, find } = setUp(PLAN);
  own.welcome(TICKET, EXITS as never);
  find(0.05);
  const told = own.tell(ONLINE);
  expect(told).toMatchObject({ broker: 'retrying', reason: 'too_slow' });
  expect(told.retry_s).toBeGreaterThan(590);
  expect([own.holdsBack, own.isDue]).toEqual([true, false]);
  expect(own.tell({ ...ONLINE, broker: 'retrying', reason: 'broker_full' }).reason).toBe('broker_full');
  vi.advanceTimersByTime(600_000);
  expect(events.renew).toHaveBeenCalledOnce();
  own.welcome(TICKET, EXITS as never);
  find(10);
  expect(own.holdsBack).toBe(false);
  expect(own.tell(ONLINE)).toMatchObject({ broker: 'online', reason: null });
});

test('a device that moved is tested in its new network, and waits for nothing of the old one', () => {
  const { own, events, find } = setUp(PLAN);
  own.welcome(TICKET, EXITS as never);
  find(0.05);
  expect(own.tell(ONLINE).reason).toBe('too_slow');
  own.begin(PLAN);
  expect([own.holdsBack, own.isDue, own.tell(ONLINE).rates]).toEqual([true, true, null]);
  own.welcome(TICKET, EXITS as never);
  find(10);
  expect([own.holdsBack, own.tell(ONLINE).rates?.down_mbit]).toEqual([false, 10]);
  expect(own.tell(ONLINE).tested_bytes).toBeGreaterThan(131_072);
  vi.advanceTimersByTime(600_000);
  expect(events.renew).not.toHaveBeenCalled();
});

test('while the visitor is asked whether they know the danger, that is what is told', () => {
  const { own } = setUp(PLAN);
  const asked = { ...ONLINE, caution: true };
  expect(own.tell(asked)).toEqual(asked);
  expect(own.isDue).toBe(true);
});

test('after the end nothing is tested', () => {
  const { own, events } = setUp(PLAN);
  own.welcome(TICKET, EXITS as never);
  own.stop();
  expect(FakeSocket.made[0]?.closed).toBe(4000);
  expect(events.changed).not.toHaveBeenCalled();
  const { own: other } = setUp(PLAN);
  other.stop();
  other.welcome(TICKET, EXITS as never);
  expect(FakeSocket.made).toHaveLength(1);
});
