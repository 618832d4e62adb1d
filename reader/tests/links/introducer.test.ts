import { beforeEach, expect, test, vi } from 'vitest';
import { Introducer, type Pool } from '../../src/links/introducer';
import { TICKET_RENEWAL_MS } from '../../src/limits';
import { Exchange } from '../../src/page/exchange';
import type { BrokerEntry } from '../../src/rendezvous/broker';
import type { Carrier } from '../../src/links/carrier';
import { TestGateway } from '../page/gateway';

const entry = (url: string): BrokerEntry => ({ url, seal_key: new Uint8Array(32) });
const BROKER = entry('https://broker.example');
const DOOR = entry('https://door.example');
const SEALED = Uint8Array.of(1, 2, 3);
const never = new AbortController().signal;

let gateway: TestGateway;
let judged: string[];
let link: Carrier | undefined;
let renewals: number;
let introducer: Introducer;

beforeEach(async () => {
  gateway = await TestGateway.make();
  judged = [];
  link = gateway.link(judged);
  renewals = 0;
  const pool: Pool = {
    broker: BROKER,
    isDoor: (url) => url === DOOR.url,
    best: () => link,
    ask: (request, link) => new Exchange(request, {
      link,
      key: async () => gateway.configuration,
      ticket: async () => 'ticket1',
      renewTicket() {},
      renew: async () => {},
    }),
    refresh: () => void renewals++,
  };
  introducer = new Introducer(pool);
});

/** The gateway's entry, as it stands among the ways to a broker. */
const behind = () => introducer.order([DOOR, BROKER])[0]!;

test('a request goes to the gateway over a link, and its reply comes back', async () => {
  const reply = behind().carry!(SEALED, never);
  const request = await gateway.next();
  for (const part of ['POST', 'broker.invalid', '/v1/rendezvous', 'ticket1', '\x01\x02\x03']) expect(request.text).toContain(part);
  await request.head(200, {});
  await request.content('sealed');
  await request.end();
  expect(new TextDecoder().decode(await reply)).toBe('sealed');
  expect(introducer.isWilling).toBe(true);
});

test('an exit that passes nothing on is asked once, and its volunteer is not blamed', async () => {
  const reply = behind().carry!(SEALED, never);
  const refused = expect(reply).rejects.toThrow();
  await (await gateway.next()).head(403, { 'proxy-status': 'passerelle; error=x; details="name"' });
  await refused;
  expect(judged.filter((word) => word !== 'proved')).toEqual([]);
  expect(introducer.isWilling).toBe(false);
  expect(introducer.order([DOOR, BROKER]).at(-1)).toBe(DOOR);
});

test('a reply that is longer than any is not taken', async () => {
  const reply = behind().carry!(SEALED, never);
  const refused = expect(reply).rejects.toThrow();
  const request = await gateway.next();
  await request.head(200, {});
  await request.content('x'.repeat(9000));
  await request.end();
  await refused;
});

test('what is lost with its link says nothing of the gateway, and is not sent again by itself', async () => {
  const reply = behind().carry!(SEALED, never);
  const lost = expect(reply).rejects.toThrow();
  const request = await gateway.next();
  link = undefined;
  request.sink.failed('lost');
  await lost;
  expect(introducer.isWilling).toBe(true);
});

test('while a volunteer carries, the gateway comes before doors, and after brokers that answer', () => {
  const order = (...brokers: BrokerEntry[]) => introducer.order(brokers).map(({ url }) => url);
  expect(order(BROKER, DOOR)).toEqual([BROKER.url, '']);
  expect(order(DOOR, BROKER)).toEqual(['', BROKER.url]);
  expect(introducer.answered(behind())).toBe(true);
  expect(order(BROKER, DOOR)).toEqual(['', BROKER.url]);
  expect(introducer.answered(BROKER)).toBe(false);
  expect(order(BROKER, DOOR)).toEqual([BROKER.url, '']);
  link = undefined;
  expect(order(DOOR, BROKER)).toEqual([DOOR.url, BROKER.url]);
});

test('a ticket is renewed before it runs out, if a door would have to bring it and a volunteer carries', () => {
  vi.useFakeTimers();
  try {
    introducer.answered(DOOR);
    vi.advanceTimersByTime(TICKET_RENEWAL_MS);
    expect(renewals).toBe(1);
    introducer.answered(behind());
    link = undefined;
    vi.advanceTimersByTime(TICKET_RENEWAL_MS);
    introducer.answered(BROKER);
    vi.advanceTimersByTime(2 * TICKET_RENEWAL_MS);
    introducer.answered(DOOR);
    introducer.close();
    vi.advanceTimersByTime(2 * TICKET_RENEWAL_MS);
    expect(renewals).toBe(1);
  } finally {
    vi.useRealTimers();
  }
});
