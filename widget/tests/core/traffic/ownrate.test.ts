import { expect, test } from 'vitest';
import { OwnRate } from '../../../src/core/traffic/ownrate';

/** Send at the rate over a path of 100 ms, which has a queue, and return the rates in Mbit/s, second by second. */
function drive(seconds: number, capacity_bit_s: number, share = 1, lossShare = 0): number[] {
  const rate = new OwnRate();
  const rates: number[] = [];
  let sent = 0;
  let queue_bit = 0;
  rate.look({ available_bit_s: 0, rtt_ms: 100, bytes: 0, lost: 0 }, 0, 0);
  for (let turn = 1; turn <= 10 * seconds; turn++) {
    const given_bit = (share * rate.bit_s) / 10;
    queue_bit = Math.min(Math.max(0, queue_bit + given_bit - capacity_bit_s / 10), capacity_bit_s / 2);
    sent += Math.min(given_bit, capacity_bit_s / 10) / (8 * 1_150);
    const rtt_ms = 100 + (queue_bit / capacity_bit_s) * 1_000;
    rate.look({ available_bit_s: 0, rtt_ms, bytes: 0, lost: lossShare * sent }, sent, turn * 100);
    if (turn % 10 === 0) rates.push(rate.bit_s / 1e6);
  }
  return rates;
}

test('a fast path is filled within seconds, also one that loses packets', () => {
  expect(drive(12, 60e6).at(-1)).toBeGreaterThan(30);
  expect(drive(12, 60e6, 1, 0.1).at(-1)).toBeGreaterThan(30);
});

test('a slow path is not flooded', () => {
  const rates = drive(20, 1e6);
  expect(Math.max(...rates.slice(10))).toBeLessThan(1.6);
  expect(Math.min(...rates)).toBeGreaterThanOrEqual(0.3);
});

test('a path that has become longer is not taken for a queue for ever', () => {
  const rate = new OwnRate();
  for (let turn = 0; turn < 600; turn++) {
    const rtt_ms = turn < 50 ? 50 : 200;
    rate.look({ available_bit_s: 0, rtt_ms, bytes: 0, lost: 0 }, turn * 100, turn * 100);
  }
  expect(rate.bit_s / 1e6).toBeGreaterThan(5);
});

test('a sender that has little to send learns nothing of the path', () => {
  expect(drive(10, 60e6, 0.1)).toEqual(new Array(10).fill(5));
});
