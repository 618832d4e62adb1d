import { beforeEach, expect, test, vi } from 'vitest';
import { Exchange, type SiteRequest, type Ways } from '../../src/page/exchange';
import { ReadingProblem } from '../../src/trouble';
import { Chance } from '../chance';
import { TestGateway, type Arrived } from './gateway';

let gateway: TestGateway;
let renewals: number;
let tickets: number;
let ways: Ways;
let judged: string[];

beforeEach(async () => {
  gateway = await TestGateway.make();
  renewals = 0;
  tickets = 1;
  judged = [];
  ways = {
    link: async (signal) => {
      signal.throwIfAborted();
      return gateway.link(judged);
    },
    key: async () => gateway.configuration,
    ticket: async () => `ticket${tickets}`,
    renewTicket: () => void tickets++,
    renew: async () => void renewals++,
  };
});

const ask = (change: Partial<SiteRequest> = {}) =>
  new Exchange({ url: new URL('https://news.example/a?b'), method: 'GET', headers: [], content: null, ...change }, ways);

async function text(exchange: Exchange): Promise<string> {
  let all = '';
  for (;;) {
    const bytes = await exchange.read();
    if (!bytes) return all;
    all += new TextDecoder().decode(bytes);
  }
}

test('an answer comes as it is sent', async () => {
  const exchange = ask({ headers: [['accept', 'text/html']] });
  const request = await gateway.next();
  for (const part of ['GET', 'https', 'news.example', '/a?b', 'accept', 'text/html']) expect(request.text).toContain(part);
  await request.head(200, { etag: '"1"' });
  expect(await exchange.head).toMatchObject({ status: 200, fields: [['etag', '"1"']] });
  await request.content('hello ');
  expect(new TextDecoder().decode((await exchange.read())!)).toBe('hello ');
  await request.content('world');
  await request.end();
  expect(await text(exchange)).toBe('world');
});

test('what was used is given back as credit, sealing included', async () => {
  const exchange = ask();
  const request = await gateway.next();
  await request.head(200, {});
  await exchange.head;
  const before = request.used;
  await request.content('x'.repeat(1000));
  await request.end();
  await text(exchange);
  expect(request.used - before).toBeGreaterThan(1000);
});

test('a body that broke off goes on where it stopped', async () => {
  const exchange = ask();
  const first = await gateway.next();
  await first.head(200, { etag: '"1"' });
  await first.content('0123');
  expect(new TextDecoder().decode((await exchange.read())!)).toBe('0123');
  first.sink.failed('lost');
  const second = await gateway.next();
  expect(second.text).toContain('bytes=4-');
  expect(second.text).toContain('if-range');
  await second.head(206, { etag: '"1"', 'content-range': 'bytes 4-7/8' });
  await second.content('4567');
  await second.end();
  expect(await text(exchange)).toBe('4567');
});

test('a part of a part is asked for by its place in the whole', async () => {
  const exchange = ask({ headers: [['range', 'bytes=100-199']] });
  const first = await gateway.next();
  await first.head(206, { etag: '"1"', 'content-range': 'bytes 100-199/1000' });
  await first.content('abcd');
  await exchange.read();
  first.sink.failed('broken');
  const second = await gateway.next();
  expect(second.text).toContain('bytes=104-199');
  expect(second.text.includes('bytes=100-199')).toBe(false);
  await second.head(206, { etag: '"1"', 'content-range': 'bytes 104-199/1000' });
  await second.end();
  expect(await text(exchange)).toBe('');
});

test.each([
  ['without a mark', {}],
  ['with a weak one', { etag: 'W/"1"' }],
])('a site %s sends all of it again, and what is known is left out', async (_name, fields) => {
  const exchange = ask();
  const first = await gateway.next();
  await first.head(200, fields);
  await first.content('0123');
  await exchange.read();
  first.sink.failed('lost');
  const second = await gateway.next();
  expect(second.text.includes('range')).toBe(false);
  await second.head(200, fields);
  await second.content('01');
  await second.content('234567');
  await second.end();
  expect(await text(exchange)).toBe('4567');
});

test('events that broke off are not asked for again, and blame nobody', async () => {
  const exchange = ask();
  const first = await gateway.next();
  await first.head(200, { 'content-type': 'text/event-stream' });
  await first.content('data: one');
  await exchange.read();
  first.sink.failed('broken');
  await expect(text(exchange)).rejects.toThrow(ReadingProblem);
  expect(judged.filter((word) => word !== 'proved')).toEqual([]);
});

test('two versions are never joined', async () => {
  const exchange = ask();
  const first = await gateway.next();
  await first.head(200, { etag: '"1"' });
  await first.content('0123');
  await exchange.read();
  first.sink.failed('lost');
  const second = await gateway.next();
  await second.head(200, { etag: '"2"' });
  await expect(text(exchange)).rejects.toThrow(ReadingProblem);
});

test('what another tab had of an answer is not asked for again', async () => {
  const exchange = ask({ known: { status: 200, fields: [['etag', '"1"']], got: 4 } });
  const request = await gateway.next();
  expect(request.text).toContain('bytes=4-');
  await request.head(206, { etag: '"1"', 'content-range': 'bytes 4-7/8' });
  await request.content('4567');
  await request.end();
  expect((await exchange.head).status).toBe(206);
  expect(await text(exchange)).toBe('4567');
});

test('another version than that of another tab is not joined to it', async () => {
  const exchange = ask({ known: { status: 200, fields: [['etag', '"1"']], got: 4 } });
  await (await gateway.next()).head(200, { etag: '"2"' });
  await expect(exchange.head).rejects.toThrow(ReadingProblem);
});

test('a site is not silent while the page takes nothing', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const exchange = ask();
    const request = await gateway.next();
    await request.head(200, {});
    await exchange.head;
    await vi.waitFor(() => expect(request.used).toBeGreaterThan(0));
    const before = request.used;
    await request.content('0123');
    await vi.waitFor(() => expect(request.used).toBeGreaterThan(before));
    vi.advanceTimersByTime(300_000);
    expect(request.isCancelled).toBe(false);
    await exchange.read();
    vi.advanceTimersByTime(19_000);
    expect(request.isCancelled).toBe(false);
    vi.advanceTimersByTime(1_000);
    await gateway.next();
    expect(request.isCancelled).toBe(true);
  } finally {
    vi.useRealTimers();
  }
});

test('a request that must not be done twice carries one key in all its attempts', async () => {
  ask({ method: 'POST', content: new TextEncoder().encode('x=1') });
  const keys = [];
  for (let tries = 0; tries < 2; tries++) {
    const request = await gateway.next();
    keys.push(/idempotency-key.([\w-]{36})/.exec(request.text)?.[1]);
    request.sink.failed('lost');
  }
  expect(keys[0]).toBeTruthy();
  expect(keys[1]).toBe(keys[0]);
});

test('a key that the gateway has not is fetched anew', async () => {
  const exchange = ask();
  (await gateway.next()).sink.failed('key');
  const second = await gateway.next();
  expect(renewals).toBe(1);
  await second.head(204, {});
  await second.end();
  expect((await exchange.head).status).toBe(204);
});

test('a ticket that has run out is replaced', async () => {
  const exchange = ask();
  const first = await gateway.next();
  expect(first.text).toContain('ticket1');
  await first.head(401, { 'proxy-status': 'passerelle; error=http_request_denied; details="ticket"' });
  const second = await gateway.next();
  expect(second.text).toContain('ticket2');
  await second.head(204, {});
  await second.end();
  expect((await exchange.head).status).toBe(204);
});

test.each([['name', 'outside'], ['timeout', 'site_silent'], ['certificate', 'certificate']])(
  'the refusal %s is told the reader as %s',
  async (told, trouble) => {
    const exchange = ask();
    const request = await gateway.next();
    await request.head(502, { 'proxy-status': `passerelle; error=x; details="${told}"` });
    await expect(exchange.head).rejects.toMatchObject({ reason: trouble });
  },
);

test('a site that was not found is asked for once more, and nobody who carried it is blamed', async () => {
  const exchange = ask();
  const refusal = { 'proxy-status': 'passerelle; error=dns_error; details="dns"' };
  await (await gateway.next()).head(502, refusal);
  const second = await gateway.next();
  expect(judged.includes('failed')).toBe(false);
  await second.head(502, refusal);
  await expect(exchange.head).rejects.toMatchObject({ reason: 'site_silent' });
});

test('a form is not sent again because the site was not found', async () => {
  const exchange = ask({ method: 'POST', content: new Uint8Array(1) });
  await (await gateway.next()).head(502, { 'proxy-status': 'passerelle; error=x; details="unreachable"' });
  await expect(exchange.head).rejects.toMatchObject({ reason: 'site_silent' });
});

test('an altered answer is asked for again, and nothing of it is shown', async () => {
  const exchange = ask();
  const first = await gateway.next();
  await first.head(200, { etag: '"1"' });
  await exchange.head;
  first.sink.bytes(new Uint8Array(600).fill(1), false);
  const second = await gateway.next();
  await second.head(200, { etag: '"1"' });
  await second.content('true');
  await second.end();
  expect(await text(exchange)).toBe('true');
  expect(judged).toEqual(['proved', 'distrust', 'proved', 'proved', 'proved']);
});

test('what follows an altered piece is never shown, because it would leave a hole', async () => {
  const exchange = ask();
  const first = await gateway.next();
  await first.head(200, { etag: '"1"' });
  await first.content('0123');
  expect(new TextDecoder().decode((await exchange.read())!)).toBe('0123');
  const pieces: Uint8Array[] = [];
  const { bytes } = first.sink;
  first.sink.bytes = (body) => void pieces.push(body);
  for (const part of ['4567', '89ab', 'cdef']) await first.content(part);
  pieces[0]![pieces[0]!.length - 1]! ^= 1;
  for (const body of pieces) bytes.call(first.sink, body, false);
  const second = await gateway.next();
  expect(second.text).toContain('bytes=4-');
  await second.head(206, { etag: '"1"', 'content-range': 'bytes 4-15/16' });
  await second.content('456789abcdef');
  await second.end();
  expect(await text(exchange)).toBe('456789abcdef');
});

test('what was being opened when a link was lost is asked for again, and shown once', async () => {
  const exchange = ask();
  const first = await gateway.next();
  await first.head(200, { etag: '"1"' });
  await first.content('0123');
  expect(new TextDecoder().decode((await exchange.read())!)).toBe('0123');
  await first.content('4567');
  first.sink.failed('lost');
  const second = await gateway.next();
  expect(second.text).toContain('bytes=4-');
  await second.head(206, { etag: '"1"', 'content-range': 'bytes 4-7/8' });
  await second.content('4567');
  await second.end();
  expect(await text(exchange)).toBe('4567');
});

test('pieces that are altered, repeated, left out, mixed up or cut are never shown', async () => {
  const chance = new Chance(9);
  for (let round = 0; round < 40; round++) {
    const exchange = ask();
    const first = await gateway.next();
    const pieces: [Uint8Array, boolean][] = [];
    const { bytes } = first.sink;
    first.sink.bytes = (body, isLast) => void pieces.push([body, isLast]);
    await first.head(200, { etag: '"1"' });
    for (const part of ['0123', '4567', '89']) await first.content(part);
    await first.end();
    const way = chance.below(5);
    const at = chance.below(pieces.length);
    if (way === 0) pieces[at] = [chance.spoil(pieces[at]![0]), pieces[at]![1]];
    else if (way === 1) pieces.splice(at, 0, pieces[at]!);
    else if (way === 2) pieces.splice(at, 1);
    else if (way === 3) pieces.reverse();
    else pieces.splice(at, Infinity, [pieces[at]![0].subarray(0, chance.below(pieces[at]![0].length)), true]);
    for (const [body, isLast] of pieces) bytes.call(first.sink, body, isLast);
    // Where nothing more comes, the link is lost in the end.
    first.sink.failed('lost');
    const read = text(exchange);
    const again = await Promise.race([gateway.next(), read.then(() => null)]);
    if (again) {
      const part = /bytes=(\d)-/.exec(again.text)?.[1];
      if (part === undefined) {
        await again.head(200, { etag: '"1"' });
        await again.content('0123456789');
      } else {
        await again.head(206, { etag: '"1"', 'content-range': `bytes ${part}-9/10` });
        await again.content('0123456789'.slice(Number(part)));
      }
      await again.end();
    }
    expect(await read).toBe('0123456789');
  }
});

test.each([['other bytes', '01x34567'], ['fewer bytes', '01']])(
  'a site that sends %s the second time is not patched together', async (_name, content) => {
    const exchange = ask();
    const first = await gateway.next();
    await first.head(200, {});
    await first.content('0123');
    await exchange.read();
    first.sink.failed('lost');
    const second = await gateway.next();
    await second.head(200, {});
    await second.content(content);
    await second.end();
    await expect(text(exchange)).rejects.toMatchObject({ reason: 'site_silent' });
  },
);

test('a volunteer that says the key is wrong brings nobody to say that the clock is', async () => {
  ways = { ...ways, renew: async () => Promise.reject(new ReadingProblem('clock')) };
  const exchange = ask();
  for (let tries = 0; tries < 2; tries++) (await gateway.next()).sink.failed('key');
  const third = await gateway.next();
  await third.head(204, {});
  await third.end();
  expect((await exchange.head).status).toBe(204);
  const other = ask();
  for (let tries = 0; tries < 6; tries++) (await gateway.next()).sink.failed('key');
  await expect(other.head).rejects.toMatchObject({ reason: 'clock' });
});

test('pieces of nothing keep nobody waiting', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const exchange = ask();
    const first = await gateway.next();
    let second: Arrived | null = null;
    void gateway.next().then((arrived) => (second = arrived));
    for (let s = 0; s < 25; s++) {
      first.sink.bytes(new Uint8Array(0), false);
      await vi.advanceTimersByTimeAsync(1000);
    }
    vi.useRealTimers();
    while (!second) await new Promise((resolve) => setTimeout(resolve));
    expect(judged).toEqual(['failed']);
    exchange.cancel();
  } finally {
    vi.useRealTimers();
  }
});

test('a request that fails again and again is given up', async () => {
  const exchange = ask();
  for (let tries = 0; tries < 6; tries++) (await gateway.next()).sink.failed('lost');
  await expect(exchange.head).rejects.toThrow(ReadingProblem);
});

test('a request that is given up is reset', async () => {
  const exchange = ask();
  const request = await gateway.next();
  await request.head(200, {});
  await exchange.head;
  exchange.cancel();
  await expect(exchange.read()).rejects.toBeTruthy();
  expect(request.isCancelled).toBe(true);
});

const CUT = 'passerelle; error=http_response_incomplete; details="cut"';

test('a site that is silent is waited for, and nobody is blamed', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const exchange = ask();
    const request = await gateway.next();
    for (let second = 0; second < 28; second += 7) {
      const heard = judged.length;
      await request.silence();
      await vi.waitUntil(() => judged.length > heard);
      await vi.advanceTimersByTimeAsync(7_000);
    }
    await request.head(504, { 'proxy-status': 'passerelle; error=x; details="timeout"' });
    await expect(exchange.head).rejects.toMatchObject({ reason: 'site_silent' });
    expect(new Set(judged)).toEqual(new Set(['proved']));
  } finally {
    vi.useRealTimers();
  }
});

test('what the site cuts off is told, and nobody is blamed', async () => {
  const exchange = ask();
  const request = await gateway.next();
  expect(request.text).toContain('trailers');
  await request.head(200, {});
  await request.content('begin');
  await request.end(CUT);
  expect(new TextDecoder().decode((await exchange.read())!)).toBe('begin');
  await expect(exchange.read()).rejects.toMatchObject({ reason: 'cut' });
  expect(judged.includes('failed')).toBe(false);
});

test('what a site with versions cuts off is asked for until nothing more comes', async () => {
  const exchange = ask();
  const first = await gateway.next();
  await first.head(200, { etag: '"1"' });
  await first.content('be');
  await first.end(CUT);
  const second = await gateway.next();
  expect(second.text).toContain('bytes=2-');
  await second.head(206, { etag: '"1"', 'content-range': 'bytes 2-8/9' });
  await second.end(CUT);
  expect(new TextDecoder().decode((await exchange.read())!)).toBe('be');
  await expect(exchange.read()).rejects.toMatchObject({ reason: 'cut' });
});
