import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Problem } from '../../src/core/errors';
import { read, write } from '../../src/core/wire/description';
import type { BrokerFriendReply, BrokerOffer, Demand } from '../../src/core/wire/signalling';
import { BrokerConversation, type OfferReply } from '../../src/relay/broker';
import type { DescriptorSource } from '../../src/relay/descriptor';
import { GARBAGE, vectors } from '../vectors';
import { FakeSocket } from './platform';

const offer = vectors<{ message?: BrokerOffer }[]>('signalling').find(
  ({ message }) => message?.type === 'offer',
)?.message as BrokerOffer;

function setUp(describe: () => Promise<object> = async () => ({ brokers: ['https://b.example/x'] }), family = '') {
  const offers: [BrokerOffer, OfferReply][] = [];
  const replies: BrokerFriendReply[] = [];
  const states: (string | null)[][] = [];
  const waits: (number | null)[] = [];
  const demands: (Demand | null)[] = [];
  const stopping = new AbortController();
  const free = { count: 5, isIdle: false };
  const broker = new BrokerConversation(
    { describe } as unknown as DescriptorSource,
    {
      free: () => free.count,
      isIdle: () => free.isIdle,
      family: async () => family,
      placed: () => {},
      offer: (given, reply) => offers.push([given, reply]),
      friend: (reply) => replies.push(reply),
      demand: (demand) => demands.push(demand),
      changed: (state, reason, retry_s) => {
        states.push([state, reason]);
        waits.push(retry_s);
      },
    },
    stopping.signal,
  );
  const ended = broker.run().then(
    () => 'over',
    (error: Problem) => error.reason,
  );
  return { broker, replies, offers, states, waits, demands, free, stopping, ended };
}

/** Let everything that is ready happen. */
const settle = () => vi.advanceTimersByTimeAsync(0);

async function last(): Promise<FakeSocket> {
  await settle();
  const socket = FakeSocket.made.at(-1);
  if (!socket) throw new Error('no socket was made');
  return socket;
}

async function welcomed(): Promise<FakeSocket> {
  const socket = await last();
  socket.open();
  socket.tell({ type: 'welcome', version: 1 });
  return socket;
}

beforeEach(() => {
  FakeSocket.made = [];
  vi.stubGlobal('WebSocket', FakeSocket);
  // A Worker's scope has these; Node's has not.
  vi.stubGlobal('addEventListener', vi.fn());
  vi.stubGlobal('removeEventListener', vi.fn());
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test('it says hello, is welcomed, and is silent until something changes', async () => {
  const { broker, states, free } = setUp();
  const socket = await welcomed();
  expect(socket.url).toBe('wss://b.example/x/v1/volunteer');
  expect(socket.said).toEqual([
    { type: 'hello', version: 1, software: expect.stringMatching(/^passerelle-switch\//), free: 5, nat: 'unknown' },
  ]);
  expect(states).toEqual([
    ['connecting', null],
    ['online', null],
  ]);
  broker.ready();
  expect(socket.sent).toHaveLength(1);
  free.count = 4;
  broker.ready();
  broker.ready();
  expect(socket.said.slice(1)).toEqual([{ type: 'ready', free: 4 }]);
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(FakeSocket.made).toHaveLength(1);
});

test('a volunteer with a family has no free place before the broker knows of it', async () => {
  setUp(undefined, 'dGFn');
  const socket = await welcomed();
  expect(socket.said).toEqual([
    expect.objectContaining({ type: 'hello', free: 0 }),
    { type: 'family', family: 'dGFn' },
    { type: 'ready', free: 5 },
  ]);
});

test('news of the NAT is told at once, and again by the next hello', async () => {
  const { broker } = setUp();
  broker.tell('symmetric');
  const socket = await welcomed();
  broker.tell('restricted');
  broker.tell('restricted');
  expect(socket.said.slice(1)).toEqual([{ type: 'ready', free: 5, nat: 'restricted' }]);
  socket.lose();
  await vi.advanceTimersByTimeAsync(60_000);
  (FakeSocket.made.at(-1) as FakeSocket).open();
  expect((FakeSocket.made.at(-1) as FakeSocket).said[0]).toMatchObject({ nat: 'restricted' });
});

test('an offer is answered or declined by its number, while the conversation lasts', async () => {
  const { offers } = setUp();
  const socket = await welcomed();
  const description = read(offer.description);
  for (const number of [7, 8]) socket.tell({ ...offer, offer: number });
  expect(offers.map(([given]) => given.offer)).toEqual([7, 8]);
  offers[0]?.[1].answer(description);
  offers[1]?.[1].decline('busy');
  expect(socket.said.slice(1)).toEqual([
    { type: 'answer', offer: 7, description: write(description) },
    { type: 'ready', free: 5 },
    { type: 'decline', offer: 8, reason: 'busy' },
  ]);
  socket.lose();
  await settle();
  offers[0]?.[1].decline('failed');
  expect(socket.sent).toHaveLength(4);
});

test('a broker that was told of no room is told of places with its next word, also when their number is the same', async () => {
  const { offers } = setUp();
  const socket = await welcomed();
  socket.tell({ ...offer });
  offers[0]?.[1].decline('busy');
  socket.tell({ type: 'pong' });
  socket.tell({ type: 'pong' });
  expect(socket.said.slice(1)).toEqual([
    { type: 'decline', offer: offer.offer, reason: 'busy' },
    { type: 'ready', free: 5 },
  ]);
});

test('a lost broker is called again, at random within a growing time', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
  const { waits, states } = setUp();
  for (let attempt = 0; attempt < 4; attempt++) {
    (await last()).lose();
    await settle();
    expect(states.at(-1)).toEqual(['retrying', 'broker_unreachable']);
    expect(waits.at(-1)).toBe(0.5 * 2 ** attempt);
    await vi.advanceTimersByTimeAsync(500 * 2 ** attempt);
    expect(FakeSocket.made).toHaveLength(attempt + 2);
  }
  (await welcomed()).lose();
  await settle();
  expect(waits.at(-1)).toBe(0.5);
});

describe('a broker that was there and asks for heartbeats', () => {
  /** Lose the conversation, and each further one before its welcome, until `seconds` are over. */
  async function away(seconds: number): Promise<void> {
    const ends_ms = performance.now() + 1000 * seconds;
    while (performance.now() < ends_ms) {
      (await last()).lose();
      await vi.advanceTimersToNextTimerAsync();
    }
  }

  async function met(heartbeat_s: number): Promise<void> {
    const socket = await last();
    socket.open();
    socket.tell({ type: 'welcome', version: 1, heartbeat_s });
  }

  test('is called about as often as it hears them while it may be restarting', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.8);
    const { waits } = setUp();
    await met(2.5);
    await away(59);
    expect(new Set(waits.filter((wait_s) => wait_s))).toEqual(new Set([2]));
  });

  test('is called more and more seldom later', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.8);
    const { waits } = setUp();
    await met(2.5);
    await away(120);
    const seldom = waits.filter((wait_s) => wait_s && wait_s !== 2);
    expect(seldom.slice(0, 3)).toEqual([0.8, 1.6, 3.2]);
  });

  test('is spared by many volunteers, whose heartbeats are further apart', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    const { waits } = setUp();
    await met(20);
    await away(30);
    expect(new Set(waits.filter((wait_s) => wait_s))).toEqual(new Set([10]));
  });
});

test('it comes back as soon as the machine is online again', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.9);
  setUp();
  (await last()).lose();
  await settle();
  const [, back] = vi.mocked(addEventListener).mock.calls.find(([name]) => name === 'online') ?? [];
  (back as () => void)();
  await settle();
  expect(FakeSocket.made).toHaveLength(2);
});

test('a broker that does not welcome in time is left', async () => {
  const { states } = setUp();
  (await last()).open();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(states.at(-1)?.[1]).toBe('broker_unreachable');
  expect(FakeSocket.made[0]?.closed).toBe(1000);
});

describe('a broker that asks for a heartbeat', () => {
  const welcome = { type: 'welcome', version: 1, heartbeat_s: 3 };

  test('is asked whether it is there, and stays as long as anything comes', async () => {
    const { states } = setUp();
    const socket = await last();
    socket.open();
    socket.tell(welcome);
    for (let turn = 1; turn <= 5; turn++) {
      await vi.advanceTimersByTimeAsync(3_000);
      expect(socket.said.filter((said) => (said as { type: string }).type === 'ping')).toHaveLength(turn);
      await vi.advanceTimersByTimeAsync(900);
      socket.tell(turn % 2 ? { type: 'pong' } : { ...offer, offer: turn });
    }
    expect(states.at(-1)).toEqual(['online', null]);
    expect(FakeSocket.made).toHaveLength(1);
  });

  test('is asked rarely while nobody is helped, for a whole day, and often again when somebody comes', async () => {
    const { states, free } = setUp();
    const socket = await last();
    socket.open();
    socket.tell({ ...welcome, idle_s: 15 });
    free.isIdle = true;
    let pings = 0;
    vi.spyOn(socket, 'send').mockImplementation((text) => {
      if (text !== '{"type":"ping"}') return;
      pings += 1;
      queueMicrotask(() => socket.tell({ type: 'pong' }));
    });
    await vi.advanceTimersByTimeAsync(3_000 + 86_400_000);
    expect(pings).toBe(1 + 86_400 / 15);
    expect(vi.getTimerCount()).toBe(1);
    socket.tell(offer);
    free.isIdle = false;
    await vi.advanceTimersByTimeAsync(30_000);
    expect(pings).toBe(1 + 86_400 / 15 + 10);
    expect(states.at(-1)).toEqual(['online', null]);
    expect(FakeSocket.made).toHaveLength(1);
  });

  test('may say how many readers wait, and older brokers say nothing of them', async () => {
    const { demands } = setUp();
    const socket = await last();
    socket.open();
    socket.tell(welcome);
    for (const demand of ['many', 'nobody', 'all', 5]) socket.tell({ type: 'pong', demand });
    socket.tell({ type: 'pong' });
    expect(demands).toEqual(['many', 'nobody', null, null, null]);
  });

  test('has the longer time to answer, the longer its answers took', async () => {
    setUp();
    const socket = await last();
    socket.open();
    await vi.advanceTimersByTimeAsync(600);
    socket.tell(welcome);
    await vi.advanceTimersByTimeAsync(3_000 + 2_300);
    expect(FakeSocket.made).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(FakeSocket.made).toHaveLength(2);
  });

  test('and says nothing is left within 4 s and called again at once, then later', async () => {
    const { states } = setUp();
    const socket = await last();
    socket.open();
    socket.tell(welcome);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(states.at(-1)).toEqual(['connecting', null]);
    expect(socket.closed).toBe(1000);
    expect(FakeSocket.made).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(states.at(-1)).toEqual(['retrying', 'broker_unreachable']);
  });
});

test('a broker that the policy of the page forbids is not called again', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0);
  const { broker, states, ended } = setUp();
  (await last()).refuse();
  broker.forbid('b.example');
  await settle();
  expect(states.at(-1)?.[0]).toBe('retrying');
  await vi.advanceTimersByTimeAsync(0);
  expect(await ended).toBe('policy');
  expect(FakeSocket.made).toHaveLength(1);
});

describe('bye', () => {
  test('with a time: back after it', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    const { states, waits } = setUp();
    (await welcomed()).tell({ type: 'bye', reason: 'restart', retry_after_s: 3 });
    await settle();
    expect(states.at(-1)).toEqual(['retrying', 'broker_restart']);
    expect(waits.at(-1)).toBe(3);
  });

  test('for good: it ends with the reason', async () => {
    const { ended } = setUp();
    (await last()).tell({ type: 'bye', reason: 'version' });
    expect(await ended).toBe('broker_version');
    expect(vi.getTimerCount()).toBe(0);
  });
});

test('garbage, and messages out of order, end the conversation with a code', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0);
  const { states } = setUp();
  const wrong = [...GARBAGE, new ArrayBuffer(3), JSON.stringify(offer), JSON.stringify({ type: 'x' })];
  for (const data of wrong) {
    const socket = await last();
    socket.open();
    socket.receive(data);
    await settle();
    expect([4001, 4007]).toContain(socket.closed);
    expect(states).toContainEqual(['retrying', 'broker_garbled']);
    states.length = 0;
  }
  const socket = await welcomed();
  socket.tell({ type: 'welcome', version: 1 });
  expect(socket.closed).toBe(4001);
});

test('stopping closes the conversation and waits for nothing', async () => {
  const { stopping, ended } = setUp();
  const socket = await welcomed();
  stopping.abort();
  expect(await ended).toBe('over');
  expect(socket.closed).toBe(1000);
  expect(vi.getTimerCount()).toBe(0);
});

test('a network that cannot be described for now is tried again; otherwise it ends', async () => {
  const transient = setUp(() => Promise.reject(new Problem('network_unreachable', true)));
  await settle();
  expect(transient.states.at(-1)).toEqual(['retrying', 'network_unreachable']);
  const { ended } = setUp(() => Promise.reject(new Problem('network_signature')));
  expect(await ended).toBe('network_signature');
  expect(FakeSocket.made).toEqual([]);
});
