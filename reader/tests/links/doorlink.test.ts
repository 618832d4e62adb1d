import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Failure } from '../../src/links/carrier';
import { DoorLink } from '../../src/links/doorlink';
import { ANSWER_WINDOW_BYTES } from '../../src/limits';
import type { Bytes } from '../../src/wire/integers';

const MESSAGE = new Uint8Array(568);
const TYPE = { 'content-type': 'message/ohttp-chunked-res' };

/** A server in the place of a door: it answers what each test says, and notes what it was asked. */
let answer: (request: Request) => Response | Promise<Response>;
let asked: Request[];
let came: number;
let isWhole: boolean;
let failures: Failure[];
let door: DoorLink;

const sink = {
  sent() {},
  bytes: (body: Uint8Array, isLast: boolean) => {
    came += body.length;
    isWhole ||= isLast;
  },
  failed: (failure: Failure) => void failures.push(failure),
};

beforeEach(() => {
  asked = [];
  came = 0;
  isWhole = false;
  failures = [];
  door = new DoorLink('https://news.example/door', 'exit-1');
  vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
    const request = new Request(url, init);
    asked.push(request);
    return answer(request);
  });
});
afterEach(() => {
  vi.unstubAllGlobals();
});

test('a request is the body, and the answer comes as it is read', async () => {
  answer = () => new Response(new Uint8Array(3000), { headers: TYPE });
  door.request(MESSAGE, sink);
  await vi.waitFor(() => expect(isWhole).toBe(true));
  expect(came).toBe(3000);
  expect(asked[0]!.url).toBe('https://news.example/door/v1/gateway/exit-1');
  expect((await asked[0]!.arrayBuffer()).byteLength).toBe(MESSAGE.length);
  expect(asked[0]!.credentials).toBe('omit');
  await vi.waitFor(() => expect(door.busy).toBe(0));
});

test.each([
  [404, 'key'], [409, 'replayed'], [429, 'limit'], [502, 'lost'], [200, 'lost'],
] as const)('an answer of status %i without a sealed one is told as %s', async (status, failure) => {
  answer = () => new Response('<html>', { status, headers: { 'content-type': 'text/html' } });
  door.request(MESSAGE, sink);
  await vi.waitFor(() => expect(failures).toEqual([failure]));
  expect(came).toBe(0);
});

test('a door that cannot be reached is told, and one that was given up is not', async () => {
  answer = () => Promise.reject(new TypeError('no network'));
  door.request(MESSAGE, sink);
  await vi.waitFor(() => expect(failures).toEqual(['lost']));
  door.request(MESSAGE, sink).cancel();
  await vi.waitFor(() => expect(door.busy).toBe(0));
  expect(failures).toEqual(['lost']);
});

test('no more is read than the page has room for', async () => {
  const chunk: Bytes = new Uint8Array(64 * 1024);
  let pulled = 0;
  const body = new ReadableStream<Bytes>({
    pull: (controller) => {
      pulled += chunk.length;
      controller.enqueue(chunk);
    },
  });
  answer = () => new Response(body, { headers: TYPE });
  const open = door.request(MESSAGE, sink);
  await vi.waitFor(() => expect(came).toBeGreaterThanOrEqual(ANSWER_WINDOW_BYTES));
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(came).toBeLessThan(ANSWER_WINDOW_BYTES + 2 * chunk.length);
  const before = came;
  open.used(ANSWER_WINDOW_BYTES);
  await vi.waitFor(() => expect(came).toBeGreaterThan(before));
  expect(pulled).toBeLessThan(3 * ANSWER_WINDOW_BYTES);
  open.cancel();
});

test('a door that failed is known by it, until something comes through that only the gateway can have sent', () => {
  door.failed();
  door.failed();
  expect(door.failures).toBe(2);
  door.proved();
  expect([door.failures, door.isProved]).toEqual([0, true]);
});

test('a door without room is asked again, and what it says at last counts', async () => {
  vi.useFakeTimers();
  answer = () => new Response('', { status: asked.length < 3 ? 503 : 200, headers: TYPE });
  door.request(MESSAGE, sink);
  await vi.advanceTimersByTimeAsync(4_500);
  expect([asked.length, isWhole, failures]).toEqual([3, true, []]);
  answer = () => new Response('', { status: 503 });
  door.request(MESSAGE, sink);
  await vi.advanceTimersByTimeAsync(6_500);
  expect([asked.length, failures]).toEqual([7, ['draining']]);
  vi.useRealTimers();
});

test('four requests are under way at once, and the next when one has ended or was given up', async () => {
  let end = () => {};
  answer = () => new Promise((resolve) => (end = () => resolve(new Response('', { headers: TYPE }))));
  const open = Array.from({ length: 6 }, () => door.request(MESSAGE, sink));
  await vi.waitFor(() => expect(asked.length).toBe(4));
  expect(door.busy).toBe(6);
  open[4]!.cancel();
  end();
  await vi.waitFor(() => expect(asked.length).toBe(5));
  expect(failures).toEqual([]);
  await vi.waitFor(() => expect(door.busy).toBe(4));
});

test('what waits for a door that fails may go another way', async () => {
  answer = () => new Promise(() => {});
  for (let n = 0; n < 6; n++) door.request(MESSAGE, sink);
  await vi.waitFor(() => expect(asked.length).toBe(4));
  door.failed();
  await vi.waitFor(() => expect(failures).toEqual(['stalled', 'stalled']));
  await vi.waitFor(() => expect(door.busy).toBe(4));
});
