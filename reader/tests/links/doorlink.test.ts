import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Failure } from '../../src/links/carrier';
import { DoorLink } from '../../src/links/doorlink';
import { Patience } from '../../src/links/pulse';
import { ANSWER_WINDOW_BYTES, DOOR_PAUSE_MS } from '../../src/limits';
import { type Bytes, integer, join } from '../../src/wire/integers';

const MESSAGE = new Uint8Array(568);
const TYPE = { 'content-type': 'message/ohttp-chunked-res' };
/** The shortest answer: a nonce, and a last chunk. */
const ANSWER = new Uint8Array(33);
const NONCE: Bytes = new Uint8Array(16);
const chunk = (size: number): Bytes => join([integer(size), new Uint8Array(size)]);

/** A server in the place of a door: it answers what each test says, and notes what it was asked. */
let answer: (request: Request) => Response | Promise<Response>;
let asked: Request[];
let came: number;
let isWhole: boolean;
let failures: Failure[];
let door: DoorLink;
let patience: Patience;

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
  patience = new Patience();
  door = new DoorLink('https://news.example/door', 'exit-1', patience);
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
  const piece = join(Array.from({ length: 4 }, () => chunk(16_000)));
  let pulled = 0;
  const body = new ReadableStream<Bytes>({
    start: (controller) => controller.enqueue(NONCE),
    pull: (controller) => {
      pulled += piece.length;
      controller.enqueue(piece);
    },
  });
  answer = () => new Response(body, { headers: TYPE });
  const open = door.request(MESSAGE, sink);
  await vi.waitFor(() => expect(came).toBeGreaterThanOrEqual(ANSWER_WINDOW_BYTES));
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(came).toBeLessThan(ANSWER_WINDOW_BYTES + 2 * piece.length);
  const before = came;
  open.used(ANSWER_WINDOW_BYTES);
  await vi.waitFor(() => expect(came).toBeGreaterThan(before));
  expect(pulled).toBeLessThan(3 * ANSWER_WINDOW_BYTES);
  open.cancel();
});

/** An answer that comes in pieces; each says after how many milliseconds. The last one ends it, unless it is empty. */
function comes(pieces: readonly (readonly [after_ms: number, bytes: Bytes])[]): void {
  vi.useFakeTimers();
  answer = () => {
    const body = new ReadableStream<Bytes>({
      start: async (controller) => {
        for (const [after_ms, bytes] of pieces) {
          await new Promise((resolve) => setTimeout(resolve, after_ms));
          if (bytes.length === 0) return;
          controller.enqueue(bytes);
        }
        controller.close();
      },
    });
    return new Response(body, { headers: TYPE });
  };
}

test('nothing of an answer is told before a chunk of it is complete', async () => {
  comes([[0, NONCE], [100, chunk(1_000).subarray(0, 900)], [100, chunk(1_000).subarray(900)], [100, new Uint8Array(17)]]);
  const open = door.request(MESSAGE, sink);
  await vi.advanceTimersByTimeAsync(150);
  expect([open.hasBegun, came]).toEqual([true, 0]);
  await vi.advanceTimersByTimeAsync(100);
  expect(came).toBe(16 + 1_002);
  await vi.advanceTimersByTimeAsync(100);
  expect([came, isWhole, failures]).toEqual([16 + 1_002 + 17, true, []]);
  vi.useRealTimers();
});

test.each([
  ['before its first chunk is complete', [[0, NONCE], [0, chunk(16_000).subarray(0, 9_000)], [0, new Uint8Array(0)]], 0],
  ['behind it', [[0, NONCE], [0, chunk(16_000)], [9_000, chunk(16_000).subarray(0, 384)], [0, new Uint8Array(0)]], 16_402],
  ['in its last chunk', [[0, NONCE], [0, chunk(100)], [0, new Uint8Array(50)], [0, new Uint8Array(0)]], 168],
] as const)('an answer that stands still %s is left, and the next may stand still for longer', async (_where, pieces, most) => {
  comes(pieces);
  door.request(MESSAGE, sink);
  await vi.advanceTimersByTimeAsync(pieces.reduce((sum, [after_ms]) => sum + after_ms, DOOR_PAUSE_MS - 50));
  expect(failures).toEqual([]);
  await vi.advanceTimersByTimeAsync(100);
  expect([failures, isWhole, door.failures, patience.factor]).toEqual([['stalled'], false, 1, 2]);
  expect(came).toBeLessThanOrEqual(most);
  failures.length = 0;
  door.request(MESSAGE, sink);
  await vi.advanceTimersByTimeAsync(pieces.reduce((sum, [after_ms]) => sum + after_ms, 2 * DOOR_PAUSE_MS - 50));
  expect(failures).toEqual([]);
  vi.useRealTimers();
});

test('a slow network is waited for, its pauses too, and a site that is silent between two chunks', async () => {
  const slow = Array.from({ length: 16 }, (_, n): readonly [number, Bytes] => [n % 5 === 4 ? 1_500 : 700, chunk(16_000).subarray(n * 1_000, n * 1_000 + 1_000)]);
  comes([[0, NONCE], [9_000, slow[0]![1]], ...slow.slice(1), [0, chunk(16_000).subarray(16_000)], [19_000, new Uint8Array(17)]]);
  patience.grow();
  door.request(MESSAGE, sink);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([came, isWhole, failures, patience.factor]).toEqual([16 + 16_002 + 17, true, [], 1]);
  vi.useRealTimers();
});

test('what is no answer is told as soon as that is seen', async () => {
  answer = () => new Response(new Uint8Array(15), { headers: TYPE });
  door.request(MESSAGE, sink);
  await vi.waitFor(() => expect(failures).toEqual(['lost']));
  comes([[0, NONCE], [0, integer(16_385)], [0, new Uint8Array(0)]]);
  door.request(MESSAGE, sink);
  await vi.advanceTimersByTimeAsync(10);
  expect(came).toBe(20);
  vi.useRealTimers();
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
  answer = () => new Response(asked.length < 3 ? '' : ANSWER, { status: asked.length < 3 ? 503 : 200, headers: TYPE });
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
  answer = () => new Promise((resolve) => (end = () => resolve(new Response(ANSWER, { headers: TYPE }))));
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
