import { expect, test } from 'vitest';
import { LIFE, LinkCredit } from '../../src/media/credit';
import { decode, encode, encodeCredit, encodePing, encodePong, LINK_ID } from '../../src/wire/gatewayframes';
import { GATEWAY_CREDIT_BYTES } from '../../src/limits';

const allowed = (message: Uint8Array | null) => {
  const frame = message && decode(message);
  return frame?.kind === 'credit' && frame.id === LINK_ID ? frame.count : 0;
};

test("the link's own credit is held back, and nothing else", () => {
  const credit = new LinkCredit();
  expect(credit.passes(encodeCredit(LINK_ID, 4_000_000), 0)).toBe(false);
  for (const message of [encodeCredit(7, 5), encodePing(1), encode(3, 'request_end', new Uint8Array(600))]) {
    expect(credit.passes(message, 0)).toBe(true);
  }
});

test('what is under way never exceeds the window, and is filled up in parts worth a message', () => {
  const credit = new LinkCredit();
  let underWay = GATEWAY_CREDIT_BYTES;
  expect(credit.credit(GATEWAY_CREDIT_BYTES)).toBeNull();
  const body = new Uint8Array(16_000);
  let messages = 0;
  for (let at = 0; at < 200; at++) {
    credit.came(encode(1, 'answer', body), 0);
    underWay -= body.length;
    const count = allowed(credit.credit(300_000));
    if (count > 0) messages += 1;
    underWay += count;
    expect(underWay).toBeLessThanOrEqual(300_000);
    expect(underWay).toBeGreaterThan(250_000);
  }
  expect(messages).toBeLessThan(110);
});

test('a window that shrinks allows nothing until less is under way', () => {
  const credit = new LinkCredit();
  credit.credit(1_000_000);
  expect(credit.credit(100_000)).toBeNull();
  for (let at = 0; at < 60; at++) credit.came(encode(1, 'answer', new Uint8Array(16_000)), 0);
  expect(allowed(credit.credit(100_000))).toBe(60_000);
});

test('a round trip is that of the last PING, and a forged PONG is none', () => {
  const credit = new LinkCredit();
  credit.passes(encodePing(5), 1_000);
  expect(credit.came(encodePong(4), 1_010)).toBeNull();
  expect(credit.came(Uint8Array.of(0, 0, 0, 0, 8), 1_020)).toBeNull();
  expect(credit.came(encodePong(5), 1_110)).toBe(110);
  expect(credit.came(encodePong(5), 1_120)).toBeNull();
});

test('a sign of life is a frame that means nothing', () => expect(decode(LIFE)).toBeNull());
