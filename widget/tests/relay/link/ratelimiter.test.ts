import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LINK_MESSAGE_BYTES } from '../../../src/core/limits';
import { Link } from '../../../src/relay/link/link';
import { RateLimiter } from '../../../src/relay/link/ratelimiter';
import { MemoryPipe } from './memorypipe';

/** 10⁶ bits a second in messages of 16 KiB. */
const MESSAGES_PER_S = 125_000 / LINK_MESSAGE_BYTES;

function makeLink(limiter: RateLimiter) {
  const [client, exit] = [new MemoryPipe(), new MemoryPipe()];
  const link = new Link(limiter, { changed() {}, carried() {}, heard() {}, over() {} });
  link.attach('client', client);
  link.attach('exit', exit);
  link.opened('client');
  link.opened('exit');
  const receive = (side: 'client' | 'exit', count: number) => {
    for (let index = 0; index < count; index++) {
      const data = new ArrayBuffer(LINK_MESSAGE_BYTES);
      new Uint8Array(data)[0] = index;
      link.message(side, data);
    }
  };
  return { link, client, exit, receive };
}

const order = (pipe: MemoryPipe) => pipe.sent.map((data) => new Uint8Array(data as ArrayBuffer)[0]);
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test('without a limit nothing waits and no timer runs', () => {
  const { client, receive } = makeLink(new RateLimiter());
  receive('exit', 50);
  expect(client.sent).toHaveLength(50);
  expect(vi.getTimerCount()).toBe(0);
});

test('a limit is kept, in order, with one timer, and none once all is sent', () => {
  const limiter = new RateLimiter();
  limiter.setRate(1);
  const { client, receive } = makeLink(limiter);
  receive('exit', 100);
  expect(vi.getTimerCount()).toBe(1);
  for (let second = 1; second <= 10; second++) {
    vi.advanceTimersByTime(1_000);
    expect(Math.abs(client.sent.length - second * MESSAGES_PER_S)).toBeLessThan(3);
    expect(vi.getTimerCount()).toBe(1);
  }
  vi.advanceTimersByTime(10_000);
  expect(order(client)).toEqual(upTo(100));
  expect(vi.getTimerCount()).toBe(0);
});

test('both directions and all links share it, by turns', () => {
  const limiter = new RateLimiter();
  limiter.setRate(8);
  const links = [makeLink(limiter), makeLink(limiter), makeLink(limiter)] as const;
  links[0].receive('exit', 400);
  links[1].receive('exit', 100);
  links[2].receive('client', 100);
  vi.advanceTimersByTime(2_000);
  const sent = [links[0].client, links[1].client, links[2].exit].map((pipe) => pipe.sent.length);
  expect(sent.reduce((sum, count) => sum + count)).toBeGreaterThan(15 * MESSAGES_PER_S);
  expect(sent.reduce((sum, count) => sum + count)).toBeLessThan(17 * MESSAGES_PER_S + 3);
  expect(Math.max(...sent) - Math.min(...sent)).toBeLessThan(10);
});

test('a full buffer gives its turns to the others', () => {
  const limiter = new RateLimiter();
  limiter.setRate(8);
  const [stuck, quick] = [makeLink(limiter), makeLink(limiter)];
  stuck.client.isSlow = true;
  stuck.receive('exit', 200);
  quick.receive('exit', 200);
  vi.advanceTimersByTime(4_000);
  const sent = stuck.client.sent.length + quick.client.sent.length;
  expect(sent).toBeGreaterThan(31 * MESSAGES_PER_S);
  expect(stuck.client.sent.length).toBeLessThan(70);
  expect(stuck.client.watched).toBeGreaterThan(0);
});

test('a new limit holds at once; without one all that waits goes', () => {
  const limiter = new RateLimiter();
  limiter.setRate(1);
  const { client, receive } = makeLink(limiter);
  receive('exit', 200);
  vi.advanceTimersByTime(1_000);
  const before = client.sent.length;
  limiter.setRate(10);
  vi.advanceTimersByTime(1_000);
  expect(client.sent.length - before).toBeGreaterThan(9 * MESSAGES_PER_S);
  limiter.setRate(Infinity);
  expect(order(client)).toEqual(upTo(200));
  expect(vi.getTimerCount()).toBe(0);
});

test('a link that ends waits no more', () => {
  const limiter = new RateLimiter();
  limiter.setRate(1);
  const { link, client, receive } = makeLink(limiter);
  receive('exit', 100);
  link.close('transport');
  const before = client.sent.length;
  vi.advanceTimersByTime(1_000);
  expect(client.sent).toHaveLength(before);
  expect(vi.getTimerCount()).toBe(0);
});

test('what waits for its turn still goes out when the other side is lost', () => {
  const limiter = new RateLimiter();
  limiter.setRate(1);
  const { link, client, receive } = makeLink(limiter);
  receive('exit', 10);
  link.lost('exit');
  expect(client.closed).toEqual([]);
  vi.advanceTimersByTime(2_000);
  expect(order(client)).toEqual(upTo(10));
  expect(client.closed).toContain('normal');
});
