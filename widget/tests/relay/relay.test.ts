import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LANE_BURST, LANES, LINK_MESSAGE_BYTES, OFFER_BURST, SURPLUS_OFFER_BURST } from '../../src/core/limits';
import { NO_TEST, type RelayReport, type VolunteerLimits } from '../../src/core/switch/report';
import { encode, encodeUrl } from '../../src/core/wire/base64';
import type { RelayToPage } from '../../src/relay/messages';
import { Relay } from '../../src/relay/relay';
import { vectors } from '../vectors';
import { FakeChannel, FakeSocket } from './platform';

/** What the browser says of a path at the beginning. */
const PATH = { available_bit_s: 0, rtt_ms: null, lost: 0, bytes: 0 };
const DESCRIPTION = {
  ufrag: 'abcd',
  pwd: 'p'.repeat(22),
  fingerprint: encode(new Uint8Array(32)),
  setup: 'actpass',
  candidates: [['host', '192.168.7.7', 5000], ['srflx', '8.8.8.8', 5000]],
};
const OWN_SDP = vectors<{ sdp: string; description: object | null }[]>('own_sdp')[0]?.sdp ?? '';
const EXIT = 'wss://exit.example/v1/link';

let keys: { publicKey: KeyObject; privateKey: KeyObject };
let posted: RelayToPage[] = [];

/** The signed description of a network with the exits `ids`. */
function network(...ids: string[]): string {
  const key = encode(new Uint8Array(32));
  const payload = JSON.stringify({
    name: 'Example',
    issued_s: 0,
    expires_s: 2 ** 40,
    brokers: [{ url: 'https://broker.example', seal_key: key, ticket_key: key }],
    exits: ids.map((id, place) => ({ id, url: place ? `wss://${id}.example/` : EXIT, spki_sha256: [key] })),
    stun: ['stun:a:1', 'stun:b:2', 'stun:c:3'],
  });
  const signed = Buffer.from(`passerelle descriptor 1 ${payload}`);
  return JSON.stringify({ payload, signature: encode(sign(null, signed, keys.privateKey)) });
}

async function setUp(
  limits: Partial<VolunteerLimits> = {},
  { welcome = {}, confirmed = false, exits = ['exit-1'], test = NO_TEST } = {},
) {
  keys = generateKeyPairSync('ed25519');
  vi.stubGlobal('fetch', async () => new Response(network(...exits)));
  const raw = keys.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
  const relay = new Relay((message) => posted.push(message));
  relay.handle({
    type: 'start',
    invite: `https://broker.example/#${encodeUrl(raw)}`,
    limits: { family: '', people: 5, lanes: LANES, mbit: Infinity, bytes: Infinity, ...limits },
    confirmed,
    media: true,
    test,
  });
  await vi.waitFor(() => expect(FakeSocket.made).toHaveLength(1));
  const broker = FakeSocket.made[0] as FakeSocket;
  broker.open();
  broker.tell({ type: 'welcome', version: 1, ...welcome });
  let offers = 0;
  const offer = (part: object = {}) => {
    const message = { type: 'offer', offer: (offers += 1), exit: 'exit-1', ticket: 'tick' };
    broker.tell({ ...message, description: DESCRIPTION, ...part });
  };
  /** The exit's socket and, once given, the channel of the link made last. */
  const made = () => {
    const request = posted.filter(({ type }) => type === 'connect').at(-1);
    const id = request?.type === 'connect' ? request.link : 0;
    const channel = new FakeChannel();
    return { id, socket: FakeSocket.made.at(-1) as FakeSocket, channel };
  };
  const join = ({ id, socket, channel } = made()) => {
    relay.handle({ type: 'answered', link: id, sdp: OWN_SDP });
    relay.handle({ type: 'channel', link: id, channel: channel as unknown as RTCDataChannel });
    socket.open();
    channel.open();
    return { id, socket, channel };
  };
  const joinChannelOnly = (id: number, channel: FakeChannel) => {
    relay.handle({ type: 'answered', link: id, sdp: OWN_SDP });
    relay.handle({ type: 'channel', link: id, channel: channel as unknown as RTCDataChannel });
    channel.open();
  };
  const ask = (channel: FakeChannel, lane: number, part: object = {}) =>
    channel.tell({ type: 'lane', lane, ticket: 'lane', description: DESCRIPTION, ...part });
  /** The free places told last. */
  const free = () =>
    (broker.said as { free?: number }[]).filter((message) => 'free' in message).at(-1)?.free;
  return { relay, broker, offer, made, join, joinChannelOnly, ask, free };
}

function report(): RelayReport | undefined {
  const last = posted.filter(({ type }) => type === 'report').at(-1);
  return last?.type === 'report' ? last.report : undefined;
}

const end = ({ socket, channel }: { socket: FakeSocket; channel: FakeChannel }) => {
  channel.lose();
  socket.lose();
};

beforeEach(() => {
  posted = [];
  FakeSocket.made = [];
  vi.stubGlobal('WebSocket', FakeSocket);
  vi.stubGlobal('addEventListener', vi.fn());
  vi.stubGlobal('removeEventListener', vi.fn());
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('nobody is offered before the test of the rate, and then the broker is told', async () => {
  const plan = { ...NO_TEST, bytes: 65_536 };
  const { broker, offer, free } = await setUp({}, { welcome: { test: { exit: 'exit-1', ticket: 'tick' } }, test: plan });
  expect(broker.said[0]).toMatchObject({ type: 'hello', free: 0 });
  expect(FakeSocket.made.at(-1)).toMatchObject({ url: EXIT, protocols: ['passerelle.v1', 'tick'] });
  expect([report()?.broker, free()]).toEqual(['connecting', 0]);
  offer();
  expect(broker.said.at(-1)).toMatchObject({ type: 'decline', reason: 'busy' });
  FakeSocket.made.at(-1)?.refuse();
  expect([report()?.broker, report()?.untested, free()]).toEqual(['online', 'silent', 5]);
});

test('an older broker that knows no test is told of free places at once', async () => {
  const { free } = await setUp({}, { test: { ...NO_TEST, bytes: 65_536 } });
  expect(FakeSocket.made).toHaveLength(1);
  expect([report()?.broker, report()?.untested, free()]).toEqual(['online', null, 5]);
});

test('a test waits until the visitor has confirmed, and then has a fresh ticket', async () => {
  const welcome = { caution: true, test: { exit: 'exit-1', ticket: 'tick' } };
  const { relay } = await setUp({}, { welcome, test: { ...NO_TEST, bytes: 65_536 } });
  expect(FakeSocket.made).toHaveLength(1);
  relay.handle({ type: 'confirm' });
  await vi.waitFor(() => expect(FakeSocket.made).toHaveLength(2));
  const again = FakeSocket.made[1] as FakeSocket;
  again.open();
  again.tell({ type: 'welcome', version: 1, ...welcome });
  expect(FakeSocket.made.at(-1)).toMatchObject({ url: EXIT, protocols: ['passerelle.v1', 'tick'] });
});

test('the class of the NAT is asked of the page at each welcome, and told to the broker', async () => {
  const { relay, broker } = await setUp();
  const asked = () => posted.filter((message) => message.type === 'find_nat');
  const [first] = asked();
  expect(asked()).toHaveLength(1);
  expect(first?.type === 'find_nat' && new Set(first.stun).size).toBe(2);
  relay.handle({ type: 'nat', nat: 'restricted' });
  expect(broker.said.at(-1)).toEqual({ type: 'ready', free: 5, nat: 'restricted' });
  broker.lose();
  await vi.waitFor(() => {
    vi.advanceTimersByTime(1_000);
    expect(FakeSocket.made).toHaveLength(2);
  });
  FakeSocket.made[1]?.open();
  FakeSocket.made[1]?.tell({ type: 'welcome', version: 1 });
  expect(asked()).toHaveLength(2);
});

test('of what use this device is is reported, and failed attempts are no people helped', async () => {
  const { relay, offer, made, join } = await setUp();
  expect(report()).toMatchObject({ reach: null, failed: 0, helped_at_s: null });
  expect(report()?.waits_since_s).toBeGreaterThan(0);
  relay.handle({ type: 'nat', nat: 'blocked' });
  expect(report()).toMatchObject({ reach: 'nobody' });
  offer();
  const { id, socket, channel } = made();
  relay.handle({ type: 'answered', link: id, sdp: OWN_SDP });
  relay.handle({ type: 'channel', link: id, channel: channel as unknown as RTCDataChannel });
  end({ socket, channel });
  vi.advanceTimersByTime(100);
  expect(report()).toMatchObject({ failed: 1, helped: 0, helped_at_s: null });
  offer();
  const joined = join();
  expect(report()).toMatchObject({ failed: 1, helped: 1, waits_since_s: null });
  expect(report()?.helped_at_s).toBeGreaterThan(0);
  end(joined);
  vi.advanceTimersByTime(100);
  expect(report()).toMatchObject({ people: 0, failed: 1 });
  expect(report()?.waits_since_s).toBeGreaterThan(0);
});

test('what the broker says of readers who wait is reported when it changes, and no longer than it is there', async () => {
  const { broker } = await setUp({}, { welcome: { heartbeat_s: 3 } });
  const reports = () => posted.filter(({ type }) => type === 'report').length;
  expect(report()).toMatchObject({ demand: null });
  broker.tell({ type: 'pong', demand: 'many' });
  expect(report()).toMatchObject({ demand: 'many' });
  const before = reports();
  for (let turn = 0; turn < 10; turn++) broker.tell({ type: 'pong', demand: 'many' });
  expect(reports()).toBe(before);
  broker.tell({ type: 'pong', demand: 'everybody' });
  expect(report()).toMatchObject({ demand: null, broker: 'online' });
  broker.tell({ type: 'pong', demand: 'some' });
  broker.lose();
  await vi.waitFor(() => expect(report()).toMatchObject({ demand: null, broker: 'retrying' }));
});

test('with another family, people are asked to move and the broker is called anew', async () => {
  const { relay, broker, offer, join } = await setUp();
  offer();
  const { channel } = join();
  const family = 'A'.repeat(22);
  relay.handle({ type: 'limits', limits: { family, people: 5, lanes: LANES, mbit: Infinity, bytes: Infinity } });
  expect(channel.said).toContainEqual({ type: 'drain' });
  expect(broker.closed).toBe(null);
  await vi.waitFor(() => expect(FakeSocket.made.at(-1)?.url).toBe(broker.url));
  const next = FakeSocket.made.at(-1) as FakeSocket;
  expect(next).not.toBe(broker);
  next.open();
  next.tell({ type: 'welcome', version: 1 });
  expect(next.said).toMatchObject([{ type: 'hello', free: 0 }, { type: 'family' }, { type: 'ready', free: 4 }]);
});

describe('an offer', () => {
  test('of a call is paid for in full: pictures and sound count as what is carried', async () => {
    const { relay, offer, made } = await setUp({ bytes: 100_000 });
    offer({ description: { ...DESCRIPTION, media: 3 } });
    const { id, socket, channel } = made();
    const media = ['audio', 'video'].map((kind) => `m=${kind} 9 UDP/TLS/RTP/SAVPF 1\r\na=sendrecv\r\n`);
    const streams = (incoming: boolean) => ({
      readable: new ReadableStream<never>(),
      writable: new WritableStream(),
      pictures: null,
      look: incoming ? null : { width: 64, height: 36, frames_per_s: 20, noise: 9, motion: 9, talk: 0.5, late_s: 0.003, bound_bit_s: 0 },
      incoming,
    });
    for (const incoming of [true, false]) relay.handle({ type: 'video', link: id, streams: streams(incoming) });
    relay.handle({ type: 'answered', link: id, sdp: OWN_SDP + media.join('') });
    relay.handle({ type: 'channel', link: id, channel: channel as unknown as RTCDataChannel });
    socket.open();
    channel.open();
    relay.handle({ type: 'path', link: id, path: { ...PATH, bytes: 60_000 } });
    relay.handle({ type: 'path', link: id, path: { ...PATH, bytes: 90_000 } });
    vi.advanceTimersByTime(1_000);
    expect(report()?.bytes).toBe(90_000);
    expect(channel.readyState).toBe('open');
    relay.handle({ type: 'path', link: id, path: { ...PATH, bytes: 110_000 } });
    vi.advanceTimersByTime(1_000);
    expect(posted.at(-1)).toMatchObject({ type: 'ended', reason: null });
  });

  test('of a call is taken where the limit has room for what it costs', async () => {
    const { relay, broker, offer } = await setUp({ mbit: 14 });
    const call = { description: { ...DESCRIPTION, media: 3 } };
    for (let index = 0; index < 3; index++) offer(call);
    const requests = posted.filter(({ type }) => type === 'connect');
    expect(requests).toHaveLength(2);
    expect(requests[0]).toMatchObject({ sdp: expect.stringContaining('m=audio 9 UDP/TLS/RTP/SAVPF 111') });
    expect(broker.said.at(-1)).toMatchObject({ type: 'decline', offer: 3, reason: 'busy' });
    offer({ description: { ...DESCRIPTION, media: 4 } });
    expect(posted.at(-1)).toMatchObject({ sdp: expect.not.stringContaining('m=audio') });
    relay.handle({ type: 'leave' });
  });

  test('becomes a socket to the exit and a PeerConnection, and is answered', async () => {
    const { broker, offer, made, join } = await setUp();
    offer();
    const { socket } = made();
    expect([socket.url, socket.protocols]).toEqual([EXIT, ['passerelle.v1', 'tick']]);
    const request = posted.find(({ type }) => type === 'connect');
    expect(request).toMatchObject({ sdp: expect.stringContaining(' 8.8.8.8 5000 ') });
    expect(request).toMatchObject({ sdp: expect.not.stringContaining('192.168.7.7') });
    expect(request?.type === 'connect' && new Set(request.stun).size).toBe(2);
    expect(broker.said.at(-1)).toEqual({ type: 'ready', free: 4 });
    join();
    expect(broker.said.slice(-2)).toEqual([
      expect.objectContaining({ type: 'answer', offer: 1 }),
      { type: 'ready', free: 4 },
    ]);
    expect(report()).toMatchObject({ people: 1, helped: 1 });
  });

  test('for an exit that the network does not name connects nowhere', async () => {
    const { broker, offer } = await setUp();
    offer({ exit: 'evil' });
    expect(broker.said.at(-1)).toEqual({ type: 'decline', offer: 1, reason: 'unknown_exit' });
    expect(FakeSocket.made).toHaveLength(1);
  });

  test.each([
    ['that wants this browser to be the DTLS server', 'unsupported', { description: { ...DESCRIPTION, setup: 'active' } }],
    ['with a ticket that no header takes', 'failed', { ticket: 'a b\r\nc' }],
  ])('%s is declined', async (_name, reason, part) => {
    const { broker, offer, free } = await setUp();
    offer(part);
    expect(broker.said.at(-1)).toMatchObject({ type: 'decline', reason });
    expect(posted.some(({ type }) => type === 'connect')).toBe(false);
    offer();
    expect(free()).toBe(4);
  });

  test('beyond the limit is declined, and a lowered limit is told', async () => {
    const { relay, broker, offer, free } = await setUp({ people: 2 });
    offer();
    offer();
    offer();
    expect(broker.said.at(-1)).toMatchObject({ type: 'decline', offer: 3, reason: 'busy' });
    relay.handle({ type: 'limits', limits: { family: '', people: 3, lanes: 1, mbit: 1, bytes: Infinity } });
    expect(free()).toBe(1);
  });

  test('whose link fails before the answer is declined', async () => {
    const { relay, broker, offer, made } = await setUp();
    offer();
    relay.handle({ type: 'connection_lost', link: made().id });
    vi.advanceTimersByTime(100);
    expect(broker.said.slice(-2)).toEqual([
      { type: 'decline', offer: 1, reason: 'failed' },
      { type: 'ready', free: 5 },
    ]);
    expect(posted.at(-1)).toEqual({ type: 'disconnect', link: made().id });
  });
});

describe('where helping may be dangerous', () => {
  const welcome = { country: 'TM', caution: true };

  test('nobody is helped before the second yes', async () => {
    const { relay, broker, offer, free } = await setUp({}, { welcome });
    expect(report()).toMatchObject({ country: 'TM', caution: true });
    expect(free()).toBe(0);
    offer();
    expect(broker.said.at(-1)).toMatchObject({ type: 'decline', reason: 'busy' });
    expect(posted.filter(({ type }) => type === 'connect')).toEqual([]);
    expect(FakeSocket.made).toHaveLength(1);
    relay.handle({ type: 'confirm' });
    expect(report()).toMatchObject({ caution: false });
    expect(free()).toBe(5);
    offer();
    expect(posted.filter(({ type }) => type === 'connect')).toHaveLength(1);
  });

  test('a yes said before is enough', async () => {
    const { free } = await setUp({}, { welcome, confirmed: true });
    expect(report()).toMatchObject({ caution: false });
    expect(free()).toBe(5);
  });
});

test('countries of those on the bridge are told, unknown ones as unknown', async () => {
  const { offer, join } = await setUp({}, { welcome: { country: 'FR' } });
  offer({ country: 'IR' });
  const first = join();
  offer();
  join();
  expect(report()).toMatchObject({ country: 'FR', crossing: ['IR', null] });
  first.channel.lose();
  expect(report()).toMatchObject({ people: 1, crossing: [null] });
});

test('the bytes allowed are carried, and then everything ends at once', async () => {
  const { offer, join } = await setUp({ bytes: 10_000 });
  offer();
  const { socket, channel } = join();
  for (let sent = 0; sent < 50; sent++) socket.receive(new ArrayBuffer(1_000));
  expect(channel.sent.filter((data) => data instanceof ArrayBuffer)).toHaveLength(10);
  expect([channel.isClosed, socket.closed]).toEqual([true, 4009]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(posted.at(-1)).toEqual({ type: 'ended', reason: null, isStuck: false });
  expect(report()).toMatchObject({ bytes: 10_000 });
});

test('a machine that moved calls the broker anew, and keeps its links', async () => {
  const { relay, offer, join } = await setUp();
  offer();
  const { channel } = join();
  relay.handle({ type: 'renew', test: null });
  await vi.advanceTimersByTimeAsync(0);
  const again = FakeSocket.made.at(-1) as FakeSocket;
  expect(again.url).toMatch(/volunteer$/);
  again.open();
  again.tell({ type: 'welcome' });
  expect(report()).toMatchObject({ broker: 'online', people: 1 });
  expect(channel.isClosed).toBe(false);
});

test('one that may be in another network helps nobody new before it is tested there', async () => {
  const { relay } = await setUp();
  relay.handle({ type: 'renew', test: { bytes: 65_536, rates: null, untested: null } });
  await vi.advanceTimersByTimeAsync(0);
  const again = FakeSocket.made.at(-1) as FakeSocket;
  again.open();
  expect(again.said.at(-1)).toMatchObject({ type: 'hello', free: 0 });
  again.tell({ type: 'welcome' });
  expect(again.said.at(-1)).toMatchObject({ type: 'ready', free: 5 });
});

describe('lanes', () => {
  test('go to the same exit, are answered on the channel, and take no slot', async () => {
    const { offer, join, ask, broker, made } = await setUp();
    offer();
    const { channel } = join();
    const before = broker.sent.length;
    const candidates = [...DESCRIPTION.candidates, ['srflx', '9.9.9.9', 5000]];
    ask(channel, 9, { description: { ...DESCRIPTION, candidates } });
    expect([made().socket.url, made().socket.protocols]).toEqual([EXIT, ['passerelle.v1', 'lane']]);
    const request = posted.filter(({ type }) => type === 'connect').at(-1);
    expect(request).toMatchObject({ sdp: expect.stringContaining(' 8.8.8.8 5000 ') });
    expect(request).toMatchObject({ sdp: expect.not.stringMatching(/192\.168\.7\.7|9\.9\.9\.9/) });
    join();
    expect(channel.said).toEqual([
      { type: 'lane_answer', lane: 9, description: expect.objectContaining({ setup: 'active' }) },
    ]);
    expect(broker.sent).toHaveLength(before);
    expect(report()).toMatchObject({ people: 1, helped: 1 });
  });

  test('are as many as the volunteer allows, whichever link asks', async () => {
    const { relay, offer, join, ask } = await setUp();
    offer();
    const first = join();
    ask(first.channel, 1);
    const lane = join();
    ask(lane.channel, 2);
    join();
    ask(lane.channel, 3);
    const last = join();
    for (const { channel } of [first, lane, last]) {
      ask(channel, 4);
      expect(channel.said.at(-1)).toEqual({ type: 'lane_refused', lane: 4 });
    }
    relay.handle({ type: 'limits', limits: { family: '', people: 5, lanes: 2, mbit: Infinity, bytes: Infinity } });
    end(last);
    ask(first.channel, 5);
    expect(first.channel.said.at(-1)).toEqual({ type: 'lane_refused', lane: 5 });
    expect(posted.filter(({ type }) => type === 'connect')).toHaveLength(4);
  });

  test('are never more than four, whatever the page says', async () => {
    const { offer, join, ask } = await setUp({ lanes: 50 });
    offer();
    const { channel } = join();
    for (let lane = 0; lane < 8; lane++) ask(channel, lane);
    expect(posted.filter(({ type }) => type === 'connect')).toHaveLength(4);
  });

  test('outlive their link, and are that person until the last is gone', async () => {
    const { offer, join, ask, free } = await setUp();
    offer();
    const first = join();
    ask(first.channel, 1);
    const lane = join();
    end(first);
    expect(report()).toMatchObject({ people: 1, helped: 1 });
    expect(free()).toBe(4);
    ask(lane.channel, 2);
    expect(posted.filter(({ type }) => type === 'connect')).toHaveLength(3);
    const last = join();
    end(lane);
    expect(report()).toMatchObject({ people: 1, helped: 1 });
    expect(free()).toBe(4);
    end(last);
    expect(report()).toMatchObject({ people: 0, helped: 1 });
    expect(free()).toBe(5);
  });

  test('that fail are refused, and free their place', async () => {
    const { relay, offer, join, ask, made } = await setUp({ lanes: 2 });
    offer();
    const { channel } = join();
    ask(channel, 1, { ticket: 'a b' });
    expect(channel.said.at(-1)).toEqual({ type: 'lane_refused', lane: 1 });
    ask(channel, 2);
    relay.handle({ type: 'connection_lost', link: made().id });
    vi.advanceTimersByTime(100);
    expect(channel.said.at(-1)).toEqual({ type: 'lane_refused', lane: 2 });
    ask(channel, 3);
    join();
    expect(channel.said.at(-1)).toMatchObject({ type: 'lane_answer', lane: 3 });
  });

  test('cannot be asked for without end', async () => {
    const { offer, join, ask } = await setUp();
    offer();
    const { channel } = join();
    const peers = () => posted.filter(({ type }) => type === 'connect').length - 1;
    for (let lane = 0; lane < 100; lane++) {
      const before = peers();
      ask(channel, lane);
      if (peers() > before) end(join());
    }
    expect(peers()).toBeGreaterThanOrEqual(LANE_BURST);
    expect(peers()).toBeLessThan(LANE_BURST + 3);
    vi.advanceTimersByTime(3_000);
    ask(channel, 100);
    expect(peers()).toBeGreaterThan(LANE_BURST + 1);
  });

  test('a malformed one ends its link and no other', async () => {
    const { offer, join, ask } = await setUp();
    offer();
    const one = join();
    offer();
    const other = join();
    ask(one.channel, -1);
    expect(one.socket.closed).toBe(4001);
    expect(other.socket.closed).toBeNull();
    expect(report()?.people).toBe(1);
  });
});

describe('people', () => {
  test('are counted once, with what is carried', async () => {
    const { offer, join } = await setUp();
    offer();
    const one = join();
    offer();
    const two = join();
    one.channel.receive(new ArrayBuffer(10));
    two.socket.receive(new ArrayBuffer(7));
    vi.advanceTimersByTime(1_000);
    expect(report()).toMatchObject({ people: 2, helped: 2, bytes: 17 });
    end(one);
    expect(report()).toMatchObject({ people: 1, helped: 2, bytes: 17 });
  });
});

describe('a client that went without a word', () => {
  async function vanished() {
    const { relay, offer, join, free } = await setUp({ people: 1 });
    offer();
    const first = join();
    expect(free()).toBe(0);
    const silent = (isSilent: boolean) => relay.handle({ type: 'silent', link: first.id, isSilent });
    silent(true);
    return { first, silent, offer, join, free };
  }

  test('takes nobody else the place from the first silence on, and is given up after five seconds', async () => {
    const { first, offer, free } = await vanished();
    expect([free(), report()?.people]).toEqual([1, 1]);
    offer();
    expect(posted.filter(({ type }) => type === 'connect')).toHaveLength(2);
    expect(free()).toBe(0);
    vi.advanceTimersByTime(4_999);
    expect(first.channel.isClosed).toBe(false);
    vi.advanceTimersByTime(101);
    expect(posted).toContainEqual({ type: 'disconnect', link: first.id });
    expect(free()).toBe(0);
  });

  test('takes nobody else the place for longer than five seconds after the answer, and may come later', async () => {
    const { relay, offer, made, join, free } = await setUp({ people: 1 });
    offer();
    const first = made();
    relay.handle({ type: 'answered', link: first.id, sdp: OWN_SDP });
    relay.handle({ type: 'channel', link: first.id, channel: first.channel as unknown as RTCDataChannel });
    first.socket.open();
    relay.handle({ type: 'silent', link: first.id, isSilent: true });
    vi.advanceTimersByTime(4_999);
    expect(free()).toBe(0);
    vi.advanceTimersByTime(1);
    expect([free(), first.channel.isClosed]).toEqual([1, false]);
    offer();
    join();
    expect(free()).toBe(0);
    first.channel.open();
    expect(first.channel.said).toEqual([{ type: 'drain' }]);
    vi.advanceTimersByTime(1_300);
    expect([first.channel.isClosed, free()]).toEqual([true, 0]);
  });

  test('goes on when it is heard again', async () => {
    const { first, silent, free } = await vanished();
    silent(false);
    silent(false);
    expect(free()).toBe(0);
    vi.advanceTimersByTime(10_000);
    expect([first.channel.isClosed, first.channel.said]).toEqual([false, []]);
  });

  test('is asked to move when it is heard again and the place is taken', async () => {
    const { first, silent, offer, join, free } = await vanished();
    offer();
    const second = join();
    silent(false);
    expect(first.channel.said).toEqual([{ type: 'drain' }]);
    vi.advanceTimersByTime(1_300);
    expect([first.channel.isClosed, second.channel.isClosed]).toEqual([true, false]);
    expect(free()).toBe(0);
  });
});

describe('an exit that is not reached', () => {
  const fail = ({ socket, channel }: { socket: FakeSocket; channel: FakeChannel }) => {
    socket.refuse();
    channel.lose();
    vi.advanceTimersByTime(200);
  };

  test('twice rests: the page is told, nobody else comes, and it is tried again', async () => {
    const { broker, offer, made, free } = await setUp();
    offer();
    fail(made());
    expect(report()).toMatchObject({ broker: 'online' });
    offer();
    fail(made());
    expect(report()).toMatchObject({ broker: 'retrying', reason: 'exit_unreachable', retry_s: 30 });
    expect(free()).toBe(0);
    offer();
    expect(broker.said.at(-1)).toMatchObject({ type: 'decline', reason: 'busy' });
    vi.advanceTimersByTime(30_000);
    expect(report()).toMatchObject({ broker: 'online', reason: null });
    expect(free()).toBe(5);
    offer();
    fail(made());
    expect(report()).toMatchObject({ reason: 'exit_unreachable', retry_s: 60 });
  });

  test('once is forgotten when it is reached', async () => {
    const { offer, made, join } = await setUp();
    for (let turn = 0; turn < 3; turn++) {
      offer();
      fail(made());
      offer();
      end(join());
    }
    expect(report()).toMatchObject({ broker: 'online' });
  });

  test('after it was reached may be restarting, and rests after many failures only', async () => {
    const { offer, made, join, free } = await setUp();
    offer();
    end(join());
    for (let turn = 0; turn < 21; turn++) {
      offer();
      fail(made());
      expect(free()).toBe(5);
    }
    offer();
    fail(made());
    expect(report()).toMatchObject({ reason: 'exit_unreachable', retry_s: 30 });
    vi.advanceTimersByTime(30_000);
    offer();
    end(join());
    expect(report()).toMatchObject({ broker: 'online', reason: null });
  });

  test.each([
    ['that left at once', 100, 'online'],
    ['that waited in vain', 6_000, 'retrying'],
  ])('for a client %s', async (_name, after_ms, broker) => {
    const { offer, made, joinChannelOnly } = await setUp();
    for (let turn = 0; turn < 2; turn++) {
      offer();
      const { id, channel } = made();
      joinChannelOnly(id, channel);
      vi.advanceTimersByTime(after_ms);
      channel.lose();
      vi.advanceTimersByTime(200);
    }
    expect(report()).toMatchObject({ broker });
  });

  test('leaves the others in use', async () => {
    const { broker, offer, made, free } = await setUp({}, { exits: ['exit-1', 'exit-2'] });
    for (let turn = 0; turn < 2; turn++) {
      offer();
      fail(made());
    }
    expect(report()).toMatchObject({ broker: 'online' });
    expect(free()).toBe(5);
    offer();
    expect(broker.said.at(-1)).toMatchObject({ type: 'decline', reason: 'failed' });
    offer({ exit: 'exit-2' });
    expect(made().socket.url).toBe('wss://exit-2.example/');
  });

  test('by a lane says nothing, because its ticket comes from the client', async () => {
    const { relay, offer, join, ask, made } = await setUp();
    offer();
    const { channel } = join();
    for (let lane = 0; lane < 3; lane++) {
      ask(channel, lane);
      made().socket.refuse();
      relay.handle({ type: 'connection_lost', link: made().id });
      vi.advanceTimersByTime(200);
    }
    expect(report()).toMatchObject({ broker: 'online' });
  });
});

describe('a page whose policy forbids', () => {
  test('the only exit ends it as soon as somebody comes', async () => {
    const { relay, offer, made } = await setUp();
    offer();
    made().socket.refuse();
    relay.forbid(EXIT);
    vi.advanceTimersByTime(200);
    expect(posted.find(({ type }) => type === 'forbidden')).toEqual({ type: 'forbidden', url: EXIT });
    expect(posted.at(-1)).toEqual({ type: 'ended', reason: 'policy', isStuck: false });
  });

  test('one of two exits leaves the other in use', async () => {
    const { relay, broker, offer, made } = await setUp({}, { exits: ['exit-1', 'exit-2'] });
    relay.forbid(EXIT);
    offer();
    expect(broker.said.at(-1)).toMatchObject({ type: 'decline', reason: 'failed' });
    offer({ exit: 'exit-2' });
    expect(made().socket.url).toBe('wss://exit-2.example/');
  });

  test('the broker ends it', async () => {
    const { relay, broker } = await setUp();
    broker.refuse();
    relay.forbid('wss://broker.example/v1/volunteer');
    await vi.waitFor(() => {
      vi.advanceTimersByTime(1_000);
      expect(posted.at(-1)).toEqual({ type: 'ended', reason: 'policy', isStuck: false });
    });
    expect(FakeSocket.made).toHaveLength(1);
  });
});

describe('the end', () => {
  test('by the switch: people are told, and go; over as soon as they have gone', async () => {
    const { relay, broker, offer, join, ask } = await setUp();
    offer();
    const link = join();
    relay.handle({ type: 'stop' });
    await vi.advanceTimersByTimeAsync(0);
    expect(broker.closed).toBe(1000);
    expect([link.socket.said, link.channel.said]).toEqual([[{ type: 'drain' }], [{ type: 'drain' }]]);
    link.socket.receive(new ArrayBuffer(3));
    expect(link.channel.sent).toHaveLength(2);
    ask(link.channel, 1);
    expect(link.channel.said.at(-1)).toEqual({ type: 'lane_refused', lane: 1 });
    expect(posted.some(({ type }) => type === 'ended')).toBe(false);
    end(link);
    expect(posted.at(-1)).toEqual({ type: 'ended', reason: null, isStuck: false });
    expect(report()).toMatchObject({ people: 0, helped: 1, bytes: 3 });
    await vi.advanceTimersByTimeAsync(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('by the switch: nobody is waited for longer than 1.5 s', async () => {
    const { relay, offer, join } = await setUp();
    offer();
    const link = join();
    relay.handle({ type: 'stop' });
    vi.advanceTimersByTime(1_300);
    expect([link.socket.closed, link.channel.isClosed]).toEqual([4009, true]);
    expect(posted.at(-1)).toEqual({ type: 'ended', reason: null, isStuck: false });
  });

  test.each([['at once', false], ['after the switch', true]])(
    'by leaving the page, %s: people are told and everything is closed in one go',
    async (_name, isStopped) => {
      const { relay, offer, join } = await setUp();
      offer();
      const link = join();
      if (isStopped) relay.handle({ type: 'stop' });
      relay.handle({ type: 'leave' });
      expect([link.socket.said[0], link.channel.said[0]]).toEqual([{ type: 'drain' }, { type: 'drain' }]);
      expect([link.socket.closed, link.channel.isClosed]).toEqual([4009, true]);
    },
  );

  test('by itself: with the reason', async () => {
    const { broker } = await setUp();
    broker.tell({ type: 'bye', reason: 'version' });
    await vi.advanceTimersByTimeAsync(0);
    expect(posted.at(-1)).toEqual({ type: 'ended', reason: 'broker_version', isStuck: false });
  });

  test('a channel that comes too late is closed', async () => {
    const { relay } = await setUp();
    const channel = new FakeChannel();
    relay.handle({ type: 'channel', link: 99, channel: channel as unknown as RTCDataChannel });
    expect(channel.isClosed).toBe(true);
  });

  test('an invite that is none ends it', async () => {
    new Relay((message) => posted.push(message)).handle({
      type: 'start',
      invite: 'nonsense',
      limits: { family: '', people: 1, lanes: 1, mbit: 1, bytes: Infinity },
      confirmed: false,
      media: true,
      test: NO_TEST,
    });
    await vi.advanceTimersByTimeAsync(0);
    expect(posted.at(-1)).toEqual({ type: 'ended', reason: 'invite', isStuck: false });
  });
});

describe('a hostile broker', () => {
  const connects = () => posted.filter(({ type }) => type === 'connect').length;

  test('has so many offers taken, and no more than a few a second after that', async () => {
    const { offer, join, broker } = await setUp({ people: 5 });
    for (let count = 0; count < OFFER_BURST + 10; count++) {
      offer();
      end(join());
      vi.advanceTimersByTime(1);
    }
    expect(connects()).toBeLessThan(OFFER_BURST + 3);
    expect(broker.said.at(-1)).toMatchObject({ type: 'decline', reason: 'busy' });
    const before = connects();
    vi.advanceTimersByTime(1_000);
    for (let count = 0; count < 10; count++) {
      offer();
      end(join());
    }
    expect(connects() - before).toBeGreaterThan(0);
    expect(connects() - before).toBeLessThan(5);
    expect(broker.closed).toBe(null);
  });

  test('that goes on is left', async () => {
    const { offer, broker } = await setUp({ people: 1 });
    for (let count = 0; count < SURPLUS_OFFER_BURST + 10; count++) offer();
    expect(connects()).toBe(1);
    expect(broker.closed).toBe(4007);
  });
});

describe('a hostile exit', () => {
  const HUGE = new ArrayBuffer(LINK_MESSAGE_BYTES + 1);

  test('loses all its links with the first message that is too large, and gets no other', async () => {
    const { offer, join, broker } = await setUp({}, { exits: ['exit-1', 'exit-2'] });
    offer();
    const one = join();
    offer();
    const two = join();
    offer({ exit: 'exit-2' });
    const other = join();
    one.socket.receive(HUGE);
    vi.advanceTimersByTime(1_000);
    expect([one.socket.closed, two.socket.closed, other.socket.closed]).toEqual([4007, 4007, null]);
    offer();
    expect(broker.said.at(-1)).toMatchObject({ type: 'decline', reason: 'failed' });
  });

  test('ends the relay when there is no other exit', async () => {
    const { offer, join } = await setUp();
    offer();
    const { socket, channel } = join();
    socket.receive(HUGE);
    socket.lose();
    channel.lose();
    vi.advanceTimersByTime(1_000);
    expect(posted.at(-1)).toEqual({ type: 'ended', reason: 'exit_garbled', isStuck: false });
  });

  test('may send few texts', async () => {
    const { offer, join } = await setUp();
    offer();
    const { socket } = join();
    for (let count = 0; count < 16; count++) socket.tell({ type: 'more' });
    expect(socket.closed).toBe(null);
    for (let count = 0; count < 5; count++) socket.tell({ type: 'more' });
    expect(socket.closed).toBe(4007);
  });

  test('that does not let its socket end is left behind with the Worker', async () => {
    const { offer, join } = await setUp();
    offer();
    const { socket, channel } = join();
    channel.lose();
    vi.advanceTimersByTime(9_000);
    expect([socket.closed, posted.some(({ type }) => type === 'ended')]).toEqual([4000, false]);
    vi.advanceTimersByTime(3_000);
    expect(posted.at(-1)).toEqual({ type: 'ended', reason: 'exit_garbled', isStuck: true });
  });

  test('is not blamed for what waits for a client', async () => {
    const { offer, made, broker } = await setUp();
    offer();
    const { socket } = made();
    socket.open();
    for (let count = 0; count < 65; count++) socket.receive(new ArrayBuffer(LINK_MESSAGE_BYTES));
    expect(socket.closed).toBe(4007);
    offer();
    expect(broker.said.at(-1)).not.toMatchObject({ type: 'decline', reason: 'failed' });
  });

  test('is not blamed for what a client sends', async () => {
    const { offer, join, broker } = await setUp();
    offer();
    const { channel, socket } = join();
    channel.receive(HUGE);
    expect(socket.closed).toBe(4007);
    offer();
    expect(broker.said.at(-1)).not.toMatchObject({ type: 'decline' });
  });
});
