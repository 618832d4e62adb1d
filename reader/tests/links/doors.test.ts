import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Failure } from '../../src/links/carrier';
import { Doors } from '../../src/links/doors';
import { DOOR_PAUSE_MS, DOOR_STAGGER_MS, DOORS_AT_ONCE, KNOWN_DOOR_MS } from '../../src/limits';

const MESSAGE = new Uint8Array(568);
const TYPE = { 'content-type': 'message/ohttp-chunked-res' };

/** What a door does with a request: it answers at once, after a while, never, with a byte in each second, or with a status. */
type Way = number | 'silent' | 'drips' | readonly [after_ms: number, status: number];

let ways: Record<string, Way>;
/** Hosts of the doors in the order in which they were asked, and those that were given up. */
let asked: string[];
let givenUp: string[];
let came: number;
let failures: Failure[];
let worked: string[];
let doors: Doors;

const sink = {
  sent() {},
  bytes: (body: Uint8Array) => void (came += body.length),
  failed: (failure: Failure) => void failures.push(failure),
};

/** An answer of which one byte comes in each second. */
function drip(signal: AbortSignal): ReadableStream<Uint8Array> {
  let timer: ReturnType<typeof setInterval> | undefined;
  return new ReadableStream({
    start: (controller) => {
      timer = setInterval(() => controller.enqueue(Uint8Array.of(64)), 1_000);
      signal.addEventListener('abort', () => {
        clearInterval(timer);
        controller.error(signal.reason);
      });
    },
    cancel: () => clearInterval(timer),
  });
}

function network(given: Record<string, Way>): void {
  ways = given;
  doors = new Doors(Object.keys(ways).map((host) => `https://${host}/door`), 'exit-1', (host) => void worked.push(host));
}

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
  givenUp = [];
  worked = [];
  came = 0;
  failures = [];
  vi.stubGlobal('fetch', (url: string, { signal }: RequestInit) => {
    const { host } = new URL(url);
    asked.push(host);
    const way = ways[host]!;
    const [after_ms, status] = typeof way === 'object' ? way : [0, way === 'drips' ? 200 : way];
    const body = way === 'drips' ? drip(signal!) : status === 200 ? new Uint8Array(3000) : '';
    return new Promise<Response>((resolve, reject) => {
      signal!.addEventListener('abort', () => {
        givenUp.push(host);
        reject(signal!.reason);
      });
      if (status !== 'silent') setTimeout(() => resolve(new Response(body, { status, headers: TYPE })), after_ms);
    });
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('a door that answers is the only one', async () => {
  network({ a: [DOOR_STAGGER_MS - 1, 200], b: 200 });
  doors.carrier('').request(MESSAGE, sink);
  await vi.advanceTimersByTimeAsync(10_000);
  expect([asked, came, failures]).toEqual([['a'], 3000, []]);
});

test('two silent doors cost two short waits, and are asked no more while another one answers', async () => {
  network({ a: 'silent', b: 'silent', c: 200, d: 200 });
  const carrier = doors.carrier('');
  const open = carrier.request(MESSAGE, sink);
  await vi.advanceTimersByTimeAsync(2 * DOOR_STAGGER_MS + 1);
  expect([asked, came]).toEqual([['a', 'b', 'c'], 3000]);
  expect(givenUp).toEqual(['a', 'b']);
  carrier.proved();
  expect(worked).toEqual(['c']);
  open.used(3000);
  doors.carrier('').request(MESSAGE, sink);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(asked.slice(3)).toEqual(['c']);
});

test('where all are silent, few are asked, and the next request goes through others', async () => {
  network({ a: 'silent', b: 'silent', c: 'silent', d: 200 });
  const carrier = doors.carrier('');
  const open = carrier.request(MESSAGE, sink);
  await vi.advanceTimersByTimeAsync(8_000);
  expect(asked.length).toBe(DOORS_AT_ONCE);
  open.cancel();
  carrier.failed();
  doors.carrier('').request(MESSAGE, sink);
  await vi.advanceTimersByTimeAsync(1);
  expect([asked.at(-1), came]).toEqual(['d', 3000]);
});

test('a door that answered for a broker is given the time that a site may take', async () => {
  network({ a: 200, b: [KNOWN_DOOR_MS - 1, 200] });
  doors.carrier('https://b/door').request(MESSAGE, sink);
  await vi.advanceTimersByTimeAsync(10_000);
  expect([asked, came]).toEqual([['b'], 3000]);
});

test('a door that fails brings the next at once', async () => {
  network({ a: 502, b: 200 });
  doors.carrier('').request(MESSAGE, sink);
  await vi.advanceTimersByTimeAsync(1);
  expect([asked, came, failures]).toEqual([['a', 'b'], 3000, []]);
});

test('the copy that the gateway refuses does not end the other one, and brings no third', async () => {
  network({ a: [2_000, 200], b: 409, c: 200 });
  const carrier = doors.carrier('');
  carrier.request(MESSAGE, sink);
  await vi.advanceTimersByTimeAsync(10_000);
  expect([asked, came, failures]).toEqual([['a', 'b'], 3000, []]);
  carrier.failed();
  expect(doors.carrier('').host).toBe('b');
});

test('a door on which an answer drips has the next one beside it, and does not win', async () => {
  network({ a: 'drips', b: [1_200, 200] });
  doors.carrier('').request(MESSAGE, sink);
  await vi.advanceTimersByTimeAsync(2_000);
  expect([asked, came, failures]).toEqual([['a', 'b'], 3000, []]);
  expect(givenUp).toEqual(['a']);
});

test.each([
  ['drips', 1_000 + DOOR_PAUSE_MS + 100],
  ['silent', DOOR_STAGGER_MS + KNOWN_DOOR_MS + 100],
] as const)('where the gateway has the request and its answer is %s, it is given up and goes through another door', async (way, most_ms) => {
  network({ a: way, b: 409, c: 200 });
  const carrier = doors.carrier('');
  const open = carrier.request(MESSAGE, sink);
  await vi.advanceTimersByTimeAsync(most_ms);
  expect([asked, came, failures]).toEqual([['a', 'b'], 0, ['stalled']]);
  open.cancel();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(failures).toEqual(['stalled']);
  expect(doors.carrier('').host).toBe('b');
});

test('an answer that begins late and goes on is waited for', async () => {
  network({ a: [DOOR_STAGGER_MS + KNOWN_DOOR_MS - 100, 200], b: 409, c: 200 });
  doors.carrier('').request(MESSAGE, sink);
  await vi.advanceTimersByTimeAsync(10_000);
  expect([asked, came, failures]).toEqual([['a', 'b'], 3000, []]);
});

test.each([
  [{ a: 502, b: 409 }, 'lost'],
  [{ a: 409, b: 404 }, 'key'],
  [{ a: 409 }, 'replayed'],
] as const)('when all of %j fail, that is told once', async (given, failure) => {
  network(given);
  const carrier = doors.carrier('');
  carrier.request(MESSAGE, sink);
  await vi.advanceTimersByTimeAsync(10_000);
  expect([failures, came]).toEqual([[failure], 0]);
});

test('a request that was given up goes through no further door', async () => {
  network({ a: 'silent', b: 200 });
  doors.carrier('').request(MESSAGE, sink).cancel();
  await vi.advanceTimersByTimeAsync(10_000);
  expect([asked, failures]).toEqual([['a'], []]);
});
