import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { LinkCode } from '../../../src/core/errors';
import {
  BUFFERED_BYTES,
  LINK_MESSAGE_BYTES,
  LOW_WATER_BYTES,
  MESSAGE_COST_BYTES,
  WAITING_BYTES,
} from '../../../src/core/limits';
import { Link } from '../../../src/relay/link/link';
import { RateLimiter } from '../../../src/relay/link/ratelimiter';
import { GARBAGE, vectors } from '../../vectors';
import { MemoryPipe } from './memorypipe';

function setUp() {
  const client = new MemoryPipe();
  const exit = new MemoryPipe();
  const over: LinkCode[] = [];
  const lanes: number[] = [];
  const limiter = new RateLimiter();
  let carried = 0;
  const link = new Link(limiter, {
    changed: () => {},
    carried: (bytes) => (carried += bytes),
    heard: (message) => {
      if (message.type === 'lane') lanes.push(message.lane);
    },
    over: (code) => over.push(code),
  });
  link.attach('exit', exit);
  link.attach('client', client);
  const open = () => {
    link.opened('exit');
    link.opened('client');
  };
  return { link, limiter, client, exit, over, lanes, open, carried: () => carried };
}

const bytes = (...values: number[]): ArrayBuffer => Uint8Array.from(values).buffer;

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe('copying', () => {
  test('binary messages go across untouched, both ways, and are counted', () => {
    const { link, client, exit, open, carried } = setUp();
    open();
    const up = bytes(1, 2, 3);
    const down = bytes(4, 5);
    link.message('client', up);
    link.message('exit', down);
    link.message('exit', bytes());
    expect(exit.sent).toEqual([up]);
    expect(exit.sent[0]).toBe(up);
    expect(client.sent).toEqual([down, bytes()]);
    expect(carried()).toBe(5);
  });

  test('text is never copied', () => {
    const { link, client, exit, over, open } = setUp();
    open();
    link.message('client', '{"type":"drain"}');
    link.message('exit', '{"type":"later","a":1}');
    expect([...client.sent, ...exit.sent, ...over]).toEqual([]);
    expect(link.isOpen).toBe(true);
  });

  test('what comes early waits, in order, for the side that opens late', () => {
    const { link, exit } = setUp();
    link.opened('client');
    for (let index = 0; index < 5; index++) link.message('client', bytes(index));
    expect(exit.sent).toEqual([]);
    link.opened('exit');
    link.message('client', bytes(5));
    expect(exit.sent).toEqual([0, 1, 2, 3, 4, 5].map((index) => bytes(index)));
  });

  test('it is open when both sides are', () => {
    const { link } = setUp();
    expect(link.isOpen).toBe(false);
    link.opened('exit');
    expect(link.isOpen).toBe(false);
    link.opened('client');
    expect(link.isOpen).toBe(true);
    link.lost('exit');
    expect(link.isOpen).toBe(false);
  });
});

describe('a full buffer', () => {
  const MESSAGES = 200;

  test.each(['client', 'exit'] as const)('of the %s holds messages back, in order', (side) => {
    const { link, client, exit, over, open } = setUp();
    open();
    const slow = side === 'client' ? client : exit;
    slow.isSlow = true;
    for (let index = 0; index < MESSAGES; index++) {
      const data = new ArrayBuffer(LINK_MESSAGE_BYTES);
      new Uint8Array(data)[0] = index;
      link.message(side === 'client' ? 'exit' : 'client', data);
    }
    expect(slow.sent.length).toBeLessThan(MESSAGES / 2);
    expect(slow.watched).toBeGreaterThan(0);
    while (slow.sent.length < MESSAGES) {
      const before = slow.sent.length;
      slow.bufferedAmount = LOW_WATER_BYTES;
      link.writable(side);
      expect(slow.sent.length).toBeGreaterThan(before);
    }
    const order = slow.sent.map((data) => new Uint8Array(data as ArrayBuffer)[0]);
    expect(order).toEqual(Array.from({ length: MESSAGES }, (_, index) => index));
    expect(over).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('does not hold back the other direction, nor a drain', () => {
    const { link, client, exit, open } = setUp();
    open();
    client.isSlow = true;
    for (let index = 0; index < MESSAGES; index++) {
      link.message('exit', new ArrayBuffer(LINK_MESSAGE_BYTES));
    }
    link.message('client', bytes(1));
    link.drain(1_200);
    expect(exit.sent).toEqual([bytes(1), '{"type":"drain"}']);
    expect(client.sent.at(-1)).toBe('{"type":"drain"}');
  });

  test('is handed over before its side is closed, when the other one is lost', () => {
    const { link, client, over, open } = setUp();
    open();
    client.isSlow = true;
    for (let index = 0; index < MESSAGES; index++) {
      link.message('exit', new ArrayBuffer(LINK_MESSAGE_BYTES));
    }
    link.lost('exit');
    expect(client.closed).toEqual([]);
    client.isSlow = false;
    client.bufferedAmount = 0;
    link.writable('client');
    expect(client.sent).toHaveLength(MESSAGES);
    expect(client.closed).toContain('normal');
    link.lost('client');
    expect(over).toEqual(['normal']);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('lanes', () => {
  const { received } = vectors<{ received: { text: string; message?: { lane?: number } | null }[] }>(
    'control',
  );
  const found = received.find(({ message }) => message?.lane !== undefined);
  const text = found?.text ?? '';
  const lane = found?.message?.lane;

  test('a client may ask for one; an exit may not', () => {
    const { link, lanes, over, open } = setUp();
    open();
    link.message('exit', text);
    expect(lanes).toEqual([]);
    link.message('client', text);
    expect(lanes).toEqual([lane]);
    expect(over).toEqual([]);
  });

  test('a malformed one ends the link', () => {
    const { link, client, exit, lanes, open } = setUp();
    open();
    link.message('client', '{"type":"lane","lane":-1}');
    expect([client.closed, exit.closed]).toEqual([['malformed'], ['malformed']]);
    expect(lanes).toEqual([]);
  });
});

describe('limits', () => {
  test('a message may be 16 KiB and no more', () => {
    const { link, exit, open } = setUp();
    open();
    link.message('client', new ArrayBuffer(LINK_MESSAGE_BYTES));
    expect(exit.closed).toEqual([]);
    link.message('client', new ArrayBuffer(LINK_MESSAGE_BYTES + 1));
    expect(exit.sent).toHaveLength(1);
    expect(exit.closed).toEqual(['limit']);
  });

  test('waiting messages may be 1 MiB and no more', () => {
    const { link, exit, client } = setUp();
    link.opened('client');
    for (let sum = 0; sum < WAITING_BYTES; sum += LINK_MESSAGE_BYTES) {
      link.message('client', new ArrayBuffer(LINK_MESSAGE_BYTES - MESSAGE_COST_BYTES));
    }
    expect(client.closed).toEqual([]);
    link.message('client', bytes());
    expect([client.closed, exit.closed]).toEqual([['limit'], ['limit']]);
  });

  test.each(['client', 'exit'] as const)('a %s that takes nothing ends the link', (side) => {
    const { link, client, exit, over, open } = setUp();
    open();
    const slow = side === 'client' ? client : exit;
    slow.isSlow = true;
    let sent = 0;
    for (; over.length === 0 && sent < 2 * BUFFERED_BYTES; sent += LINK_MESSAGE_BYTES) {
      link.message(side === 'client' ? 'exit' : 'client', new ArrayBuffer(LINK_MESSAGE_BYTES));
      vi.advanceTimersByTime(100);
    }
    expect(sent).toBeGreaterThan(0.95 * BUFFERED_BYTES);
    expect(sent).toBeLessThan(BUFFERED_BYTES + 2 * LINK_MESSAGE_BYTES);
    expect(slow.bufferedAmount).toBeLessThan(BUFFERED_BYTES / 4);
    expect(over).toEqual(['limit']);
  });

  test('a client cannot fill a buffer with answers', () => {
    const { link, client, over, open } = setUp();
    open();
    client.isSlow = true;
    for (let said = 0; said < 1_000_000 && over.length === 0; said++) {
      link.say('{"type":"lane_refused","lane":1}');
      if (client.closed.length > 0) vi.advanceTimersByTime(100);
    }
    expect(over).toEqual(['limit']);
    expect(client.bufferedAmount).toBeLessThan(BUFFERED_BYTES + 100);
  });

  test('garbage ends the link, and only the link', () => {
    for (const data of [...GARBAGE, null, undefined, 5, {}, new Blob([])]) {
      const { link, exit, client, open } = setUp();
      open();
      link.message('client', data);
      const [code] = exit.closed;
      if (code) expect(['malformed', 'limit']).toContain(code);
      expect([...exit.sent, ...client.sent]).toEqual([]);
    }
  });

  test('a pipe that breaks under a message ends the link', () => {
    const { link, exit, over, open } = setUp();
    open();
    exit.isBroken = true;
    link.message('client', bytes(1));
    vi.runAllTimers();
    expect(over).toEqual(['transport']);
  });
});

describe('the end', () => {
  test.each(['client', 'exit'] as const)('when the %s closes, so does the other side', (side) => {
    const { link, client, exit, over, open } = setUp();
    open();
    link.message(side, bytes(1));
    link.lost(side);
    const other = side === 'client' ? exit : client;
    expect(other.sent).toEqual([bytes(1)]);
    expect(other.closed).toEqual(['normal']);
    expect(over).toEqual([]);
    link.lost(side === 'client' ? 'exit' : 'client');
    expect(over).toEqual(['normal']);
  });

  test('a far side that never finishes closing is not waited for', () => {
    const { link, over, open } = setUp();
    open();
    link.lost('exit');
    vi.advanceTimersByTime(4_900);
    expect(over).toEqual([]);
    vi.advanceTimersByTime(200);
    expect(over).toEqual(['normal']);
  });

  test('a refused WebSocket frees the link at once', () => {
    const { link, over } = setUp();
    link.lost('exit');
    vi.advanceTimersByTime(100);
    expect(over).toEqual(['normal']);
  });

  test('over is said once, and nothing is sent after the end', () => {
    const { link, client, exit, over, open } = setUp();
    open();
    link.close('transport');
    link.close('limit');
    link.message('client', bytes(1));
    link.drain(5);
    link.lost('client');
    link.lost('exit');
    link.lost('exit');
    vi.runAllTimers();
    expect(over).toEqual(['transport']);
    expect([...client.sent, ...exit.sent]).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('a pipe that comes after the end is closed', () => {
    const { link } = setUp();
    link.close('transport');
    const late = new MemoryPipe();
    link.attach('client', late);
    expect(late.closed).toEqual(['transport']);
  });

  test.each([
    ['exit', 'client', 10_000],
    ['client', 'exit', 15_000],
  ] as const)('a %s side that does not open is given up', (slow, quick, limit_ms) => {
    const { link, exit } = setUp();
    link.opened(quick);
    vi.advanceTimersByTime(limit_ms - 1);
    expect(exit.closed).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(exit.closed).toEqual(['timeout']);
    expect(slow).not.toBe(quick);
  });
});

describe('draining', () => {
  test('both sides are told, and copying goes on until the grace is over', () => {
    const { link, client, exit, over, open } = setUp();
    open();
    link.drain(1_200);
    expect([client.sent, exit.sent]).toEqual([['{"type":"drain"}'], ['{"type":"drain"}']]);
    link.message('exit', bytes(1));
    expect(client.sent.at(-1)).toEqual(bytes(1));
    vi.advanceTimersByTime(1_199);
    expect(over).toEqual([]);
    vi.advanceTimersByTime(101);
    expect(over).toEqual(['draining']);
  });

  test('a far side that moves away ends it sooner', () => {
    const { link, over, open } = setUp();
    open();
    link.drain(1_200);
    link.lost('client');
    link.lost('exit');
    expect(over).toEqual(['normal']);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('without grace, both sides are told and closed in the same moment', () => {
    const { link, client, exit, open } = setUp();
    open();
    link.drain(0);
    expect([client.sent, exit.sent]).toEqual([['{"type":"drain"}'], ['{"type":"drain"}']]);
    expect([client.closed, exit.closed]).toEqual([['draining'], ['draining']]);
  });

  test('a link that is not open yet has nobody to tell', () => {
    const { link, client, exit, over } = setUp();
    link.opened('client');
    link.drain(1_200);
    vi.advanceTimersByTime(100);
    expect(over).toEqual(['draining']);
    expect([...client.sent, ...exit.sent]).toEqual([]);
  });
});
