import { beforeEach, expect, test, vi } from 'vitest';
import { GatewayLink } from '../../src/links/gatewaylink';
import type { LinkConnection } from '../../src/links/connection';
import { Patience } from '../../src/links/pulse';
import { ANSWER_WINDOW_BYTES, GATEWAY_CREDIT_BYTES, GATEWAY_REQUESTS, LINK_FAILURES, LINK_TEXTS, LINK_WINDOW_BYTES } from '../../src/limits';
import { decode, encode, encodePing, encodePong, encodeReset, FRAME_BODY_BYTES } from '../../src/wire/gatewayframes';
import { Chance } from '../chance';

/** What a browser gives: a channel, and a signal that it is over. */
class Wire {
  readonly over = new AbortController();
  readonly sent: ReturnType<typeof decode>[] = [];
  readonly channel = {
    bufferedAmount: 0,
    onmessage: (_event: { data: unknown }) => {},
    send: (data: Uint8Array) => void this.sent.push(decode(data)),
  };
  readonly connection = { channel: this.channel, over: this.over.signal, close: () => this.over.abort() } as unknown as LinkConnection;

  say(data: Uint8Array<ArrayBuffer> | string): void {
    this.channel.onmessage({ data: typeof data === 'string' ? data : data.slice().buffer });
  }
}

let wire: Wire;
let link: GatewayLink;
let came: number;
let failures: string[];
let stalls: boolean[];
const linkOf = (wire: Wire) => new GatewayLink(wire.connection, new Patience(), (isNew) => void stalls.push(isNew));
const sink = { sent() {}, bytes: (body: Uint8Array) => void (came += body.length), failed: (failure: string) => void failures.push(failure) };
const BODY = new Uint8Array(FRAME_BODY_BYTES);

beforeEach(() => {
  wire = new Wire();
  link = linkOf(wire);
  came = 0;
  failures = [];
  stalls = [];
});

test('an answer has what was allowed, and a volunteer that sends more is left', () => {
  link.request(new Uint8Array(600), sink);
  for (let sent = 0; sent < GATEWAY_CREDIT_BYTES; sent += BODY.length) wire.say(encode(1, 'answer', BODY));
  expect(link.isOpen).toBe(true);
  wire.say(encode(1, 'answer', BODY));
  expect([link.isOpen, link.isHostile]).toEqual([false, true]);
  expect(came).toBeLessThan(GATEWAY_CREDIT_BYTES + BODY.length);
  expect(failures).toEqual(['lost']);
});

test('what is used is allowed again, on the answer and on the link', () => {
  const open = link.request(new Uint8Array(600), sink);
  open.used(0);
  for (let sent = 0; sent < 3 * LINK_WINDOW_BYTES; sent += BODY.length) {
    wire.say(encode(1, 'answer', BODY));
    open.used(BODY.length);
  }
  expect(link.isOpen).toBe(true);
  expect(came).toBeGreaterThan(3 * LINK_WINDOW_BYTES);
});

test('an answer that was given up may still come, and nothing that was never asked for', () => {
  const open = link.request(new Uint8Array(600), sink);
  open.cancel();
  for (let sent = 0; sent < GATEWAY_CREDIT_BYTES; sent += BODY.length) wire.say(encode(1, 'answer', BODY));
  expect([link.isOpen, came]).toEqual([true, 0]);
  for (let more = 0; more < 3; more++) wire.say(encode(1, 'answer', BODY));
  expect(link.isHostile).toBe(true);
});

test('an answer to nobody ends the link', () => {
  wire.say(encode(9, 'answer', BODY));
  expect(link.isHostile).toBe(true);
});

test.each([
  ['a frame without a type', new Uint8Array(3)],
  ['a message beyond a link message', new Uint8Array(20_000)],
  ['a long text', 'x'.repeat(9000)],
])('%s ends the link', (_name, message) => {
  link.request(new Uint8Array(600), sink);
  wire.say(message);
  expect([link.isHostile, ...failures]).toEqual([true, 'lost']);
});

test('a few texts are nothing, a flood of them ends the link', () => {
  for (let n = 0; n < LINK_TEXTS; n++) wire.say('{"type":"drain"}');
  expect(link.isOpen).toBe(true);
  wire.say('{}');
  expect(link.isHostile).toBe(true);
});

test('a link that brings nothing is given up at once', () => {
  link.failed();
  expect([link.isOpen, link.isHostile]).toEqual([false, false]);
});

test('a link on which one request after the other fails is given up', () => {
  link.proved();
  for (let n = 1; n < LINK_FAILURES; n++) link.failed();
  link.proved();
  for (let n = 1; n < LINK_FAILURES; n++) link.failed();
  expect([link.isOpen, link.isProved]).toEqual([true, false]);
  link.failed();
  expect([link.isOpen, link.isHostile]).toEqual([false, false]);
});

test('a PING is answered, but not while answers pile up', () => {
  wire.say(encodePing(7));
  expect(wire.sent).toContainEqual({ kind: 'pong', id: 0, mark: 7 });
  wire.channel.bufferedAmount = 10 ** 6;
  wire.say(encodePing(8));
  expect(wire.sent.filter((frame) => frame?.kind === 'pong')).toHaveLength(1);
});

test('a link through which nothing comes is told of, left without blame, and closed after a while', () => {
  vi.useFakeTimers();
  wire = new Wire();
  link = linkOf(wire);
  wire.say(encodePong(1));
  link.request(new Uint8Array(600), sink);
  vi.advanceTimersByTime(2_500);
  expect([link.isStalled, stalls[0], stalls[1]]).toEqual([true, true, false]);
  link.leave();
  expect([failures, link.busy, link.failures]).toEqual([['stalled'], 0, 0]);
  wire.say(encodePong(99));
  expect(link.isStalled).toBe(false);
  link.request(new Uint8Array(600), sink);
  vi.advanceTimersByTime(20_000);
  expect([link.isOpen, failures]).toEqual([false, ['stalled', 'lost']]);
  vi.useRealTimers();
});

test('whatever a volunteer sends, no more is held than was allowed', () => {
  const chance = new Chance(7);
  for (let round = 0; round < 200; round++) {
    wire = new Wire();
    link = linkOf(wire);
    came = 0;
    const open = [link.request(new Uint8Array(10), sink), link.request(new Uint8Array(10), sink)];
    for (let n = 0; n < 200 && link.isOpen; n++) {
      const id = chance.below(4);
      const way = chance.below(12);
      if (way === 0) wire.say(encodeReset(1 + id, 'key'));
      else if (way === 1) wire.say(chance.bytes(40));
      else if (way === 2) open[chance.below(2)]!.cancel();
      else wire.say(encode(1 + (id & 1), chance.below(40) ? 'answer' : 'answer_end', BODY));
    }
    expect(came).toBeLessThan(2 * (GATEWAY_CREDIT_BYTES + BODY.length));
    expect(2 * GATEWAY_CREDIT_BYTES).toBeLessThan(ANSWER_WINDOW_BYTES);
  }
});

test('requests beyond what a gateway takes at once wait for others to end', () => {
  const left: number[] = [];
  const ask = (number: number) => link.request(new Uint8Array(9), { ...sink, sent: () => void left.push(number) });
  const open = Array.from({ length: GATEWAY_REQUESTS + 3 }, (_, index) => ask(index + 1));
  expect(left).toHaveLength(GATEWAY_REQUESTS);
  expect(link.busy).toBe(GATEWAY_REQUESTS + 3);
  // One that was never sent ends in silence.
  const before = wire.sent.length;
  open[GATEWAY_REQUESTS]!.cancel();
  expect(wire.sent).toHaveLength(before);
  open[0]!.cancel();
  expect(left.slice(GATEWAY_REQUESTS)).toEqual([GATEWAY_REQUESTS + 2]);
  wire.say(encodeReset(2, 'limit'));
  expect(left.slice(GATEWAY_REQUESTS)).toEqual([GATEWAY_REQUESTS + 2, GATEWAY_REQUESTS + 3]);
  expect(failures).toEqual(['limit']);
});
