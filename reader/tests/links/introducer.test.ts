import { beforeEach, expect, test, vi } from 'vitest';
import { introducer, type Order } from '../../src/links/introducer';
import { TICKET_RENEWAL_MS } from '../../src/limits';
import { Exchange, type SiteRequest } from '../../src/page/exchange';
import type { BrokerEntry } from '../../src/rendezvous/broker';
import type { Reply, Sealed } from '../../src/rendezvous/request';
import type { PoolSettings } from '../../src/links/pool';
import { TestGateway } from '../page/gateway';

const entry = (url: string): BrokerEntry => ({ url, seal_key: new Uint8Array(32) });
const BROKER = entry('https://broker.example');
const DOOR = entry('https://door.example');
/** A sealed request; its reply opens to what it is. */
const SEALED: Sealed = {
  bytes: Uint8Array.of(1, 2, 3),
  open: async (reply) => new TextDecoder().decode(reply) as unknown as Reply,
};

let gateway: TestGateway;
let judged: string[];
let isCarried: boolean;
let renewals: number;
let settings: Pick<PoolSettings, 'ask' | 'brokers'>;
let order: Order;

beforeEach(async () => {
  gateway = await TestGateway.make();
  judged = [];
  renewals = 0;
  isCarried = true;
  const ask = (request: SiteRequest) => new Exchange(request, {
    link: async () => gateway.link(judged),
    key: async () => gateway.configuration,
    ticket: async () => 'ticket1',
    renewTicket() {},
    renew: async () => {},
  });
  settings = { brokers: [BROKER, DOOR], ask };
  order = introducer(settings, [DOOR.url], () => isCarried, () => void renewals++);
});

const urls = (...brokers: BrokerEntry[]) => order(brokers).map(({ url }) => url);
/** The gateway's entry, as it stands among the ways to a broker. */
const behind = () => order([DOOR, BROKER])[0]!;

test('a request goes to the gateway over a link, and its reply comes back', async () => {
  const reply = behind().carry!(SEALED, '');
  const request = await gateway.next();
  for (const part of ['POST', 'broker.invalid', '/v1/rendezvous', 'ticket1', '\x01\x02\x03']) expect(request.text).toContain(part);
  await request.head(200, {});
  await request.content('sealed');
  await request.end();
  expect(await reply).toBe('sealed');
});

test('an exit that passes nothing on is not asked again, and its volunteer is not blamed', async () => {
  const refused = expect(behind().carry!(SEALED, '')).rejects.toThrow();
  await (await gateway.next()).head(403, { 'proxy-status': 'passerelle; error=x; details="name"' });
  await refused;
  expect(judged.filter((word) => word !== 'proved')).toEqual([]);
  expect(urls(DOOR, BROKER)).toEqual([DOOR.url, BROKER.url]);
});

test('a reply that is longer than any is not taken', async () => {
  const refused = expect(behind().carry!(SEALED, '')).rejects.toThrow();
  const request = await gateway.next();
  await request.head(200, {});
  await request.content('x'.repeat(9000));
  await request.end();
  await refused;
});

test('while a volunteer carries, the gateway stands in place of doors, behind brokers that answer', async () => {
  expect(urls(BROKER, DOOR)).toEqual([BROKER.url, '']);
  expect(urls(DOOR, BROKER)).toEqual(['', BROKER.url]);
  const reply = order([BROKER, DOOR])[1]!.carry!(SEALED, '');
  const request = await gateway.next();
  await request.head(200, {});
  await request.end();
  await reply;
  expect(urls(BROKER, DOOR)).toEqual(['', BROKER.url]);
  isCarried = false;
  expect(urls(DOOR, BROKER)).toEqual([DOOR.url, BROKER.url]);
});

test('a ticket is renewed before it runs out, if a door would have to bring it and a volunteer carries', () => {
  vi.useFakeTimers();
  try {
    order = introducer(settings, [DOOR.url], () => isCarried, () => void renewals++);
    order([DOOR, BROKER]);
    vi.advanceTimersByTime(TICKET_RENEWAL_MS);
    expect(renewals).toBe(1);
    isCarried = false;
    vi.advanceTimersByTime(TICKET_RENEWAL_MS);
    isCarried = true;
    order([BROKER, DOOR]);
    vi.advanceTimersByTime(TICKET_RENEWAL_MS);
    expect(renewals).toBe(1);
  } finally {
    vi.useRealTimers();
  }
});
