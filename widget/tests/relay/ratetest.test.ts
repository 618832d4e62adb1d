import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { RATE_TEST_AHEAD_BYTES, RATE_TEST_BYTES, RATE_TEST_MESSAGE_BYTES } from '../../src/core/limits';
import type { Rates } from '../../src/core/switch/speed';
import { RateTest } from '../../src/relay/ratetest';
import { FakeSocket } from './platform';

const MOST = RATE_TEST_BYTES;
let over: (Rates | null)[] = [];
let stuck = 0;

function begin(most = MOST) {
  const test_ = new RateTest('wss://exit.example/v1/link', 'tick', most, {
    over: (rates) => over.push(rates),
    stuck: () => (stuck += 1),
  });
  const socket = FakeSocket.made.at(-1) as FakeSocket;
  /** Send `total` bytes, in messages of ours, in `ms`. */
  const bring = (total: number, ms: number) => {
    const count = Math.ceil(total / RATE_TEST_MESSAGE_BYTES);
    for (let each = 0; each < count; each++) {
      vi.advanceTimersByTime(ms / count);
      socket.receive(new ArrayBuffer(Math.min(RATE_TEST_MESSAGE_BYTES, total - each * RATE_TEST_MESSAGE_BYTES)));
    }
  };
  /** Bytes that were sent. */
  const sent = () =>
    socket.sent.reduce<number>((sum, data) => sum + (data instanceof Uint8Array ? data.length : 0), 0);
  /** Acknowledge everything until the test is over, at so many bytes in each of many steps of 10 ms. */
  const take = (bytes: number) => {
    for (let got = 0; over.length === 0; ) {
      vi.advanceTimersByTime(10);
      got = Math.min(sent(), got + bytes);
      socket.tell({ type: 'got', bytes: got });
    }
  };
  return { test_, socket, bring, sent, take };
}

beforeEach(() => {
  over = [];
  stuck = 0;
  FakeSocket.made = [];
  vi.stubGlobal('WebSocket', FakeSocket);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('both ways are measured one after the other', () => {
  const { socket, bring, take, test_, sent } = begin();
  expect(socket.protocols).toEqual(['passerelle.v1', 'tick']);
  socket.open();
  expect(socket.said).toEqual([{ type: 'down', bytes: MOST }]);
  bring(MOST, 800);
  expect(socket.said.at(-1)).toEqual({ type: 'got', bytes: MOST });
  expect(sent()).toBe(RATE_TEST_AHEAD_BYTES);
  take(12_500);
  expect(over).toEqual([{ down_mbit: 20, up_mbit: 10, isSmall: false }]);
  expect(socket.closed).toBe(4000);
  expect(test_.moved_bytes).toBeLessThanOrEqual(2 * MOST);
});

test('what is still to come down is waited for before the way up', () => {
  const { socket, bring, take, sent } = begin();
  socket.open();
  bring(200_000, 1600);
  expect(socket.sent.at(-1)).toEqual(new Uint8Array(0));
  socket.receive(new ArrayBuffer(4096));
  expect(sent()).toBe(0);
  socket.tell({ type: 'got', bytes: 0 });
  expect(sent()).toBe(RATE_TEST_AHEAD_BYTES);
  take(1250);
  expect(over).toEqual([{ down_mbit: 1, up_mbit: 1, isSmall: false }]);
  // What was acknowledged, and a second of it.
  expect(sent()).toBeLessThan(187_500 + 125_000 + RATE_TEST_MESSAGE_BYTES);
});

test('a line that is too slow down is not tested up', () => {
  const { socket, bring } = begin();
  socket.open();
  bring(16_384, 1400);
  vi.advanceTimersByTime(100);
  expect(over).toEqual([{ down_mbit: 0.08, up_mbit: null, isSmall: false }]);
  expect(socket.closed).toBe(4000);
});

test('a small test says that it was one', () => {
  const { socket, bring, take } = begin(131_072);
  socket.open();
  bring(131_072, 100);
  take(4096);
  expect(over[0]?.isSmall).toBe(true);
});

/** Send what one was asked for, but `less` messages. */
const fill = (socket: FakeSocket, less = 0) => {
  for (let rest = MOST - less * RATE_TEST_MESSAGE_BYTES; rest > 0; rest -= RATE_TEST_MESSAGE_BYTES) {
    socket.receive(new ArrayBuffer(Math.min(RATE_TEST_MESSAGE_BYTES, rest)));
  }
};

test.each<[string, (socket: FakeSocket) => void]>([
  ['refuses', (socket) => socket.refuse()],
  ['is never there', () => vi.advanceTimersByTime(5_000)],
  ['says nothing', (socket) => [socket.open(), vi.advanceTimersByTime(1_500)]],
  ['leaves', (socket) => [socket.open(), socket.lose()]],
  ['says something else', (socket) => [socket.open(), socket.receive('}{')]],
  ['says that it got what was not sent', (socket) => [socket.open(), socket.tell({ type: 'got', bytes: 5 })]],
  ['sends more than it was asked for', (socket) => [socket.open(), socket.receive(new ArrayBuffer(MOST + 1))]],
  ['takes nothing', (socket) => [socket.open(), fill(socket), vi.advanceTimersByTime(1_500)]],
  ['does not come to an end', (socket) => [socket.open(), fill(socket, 99), vi.advanceTimersByTime(5_000)]],
])('an exit that %s leaves it unknown', (_what, act) => {
  const { socket } = begin();
  act(socket);
  expect(over).toEqual([null]);
  expect(socket.readyState).toBeGreaterThanOrEqual(2);
  vi.advanceTimersByTime(60_000);
  expect(over).toEqual([null]);
});

test('it takes five seconds at most, and what was measured by then counts', () => {
  const { socket, bring } = begin();
  vi.advanceTimersByTime(3_000);
  socket.open();
  bring(1_000_000, 1_470);
  vi.advanceTimersByTime(200);
  socket.tell({ type: 'got', bytes: 0 });
  socket.tell({ type: 'got', bytes: 4096 });
  vi.advanceTimersByTime(500);
  expect(over).toHaveLength(1);
  expect(over[0]).toMatchObject({ isSmall: false });
});

test('one that is broken off says nothing', () => {
  const { test_, socket } = begin();
  socket.open();
  test_.stop();
  expect(socket.closed).toBe(4000);
  socket.receive(new ArrayBuffer(9));
  socket.lose();
  vi.advanceTimersByTime(60_000);
  expect([over, stuck]).toEqual([[], 0]);
});

test('an exit that does not let go is noticed', () => {
  const { socket } = begin();
  socket.open();
  socket.receive('}{');
  expect(stuck).toBe(0);
  vi.advanceTimersByTime(10_000);
  expect(stuck).toBe(1);
});
