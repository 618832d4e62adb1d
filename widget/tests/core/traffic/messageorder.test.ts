import { expect, test } from 'vitest';
import { PeerError } from '../../../src/core/errors';
import { MEDIA_KEPT_BYTES, MESSAGES_AHEAD, RESEND_GAPS } from '../../../src/core/limits';
import { MessageOrder } from '../../../src/core/traffic/messageorder';

const message = (fill: number, size = 1): ArrayBuffer => new Uint8Array(size).fill(fill).buffer;
const fills = (ready: ArrayBuffer[]): number[] => ready.map((data) => new Uint8Array(data)[0] ?? -1);

test('messages come in order, each once', () => {
  const order = new MessageOrder();
  expect(fills(order.add(1, message(1)))).toEqual([]);
  expect(fills(order.add(2, message(2)))).toEqual([]);
  expect(fills(order.add(2, message(9)))).toEqual([]);
  expect(fills(order.add(0, message(0)))).toEqual([0, 1, 2]);
  expect(fills(order.add(1, message(9)))).toEqual([]);
  expect(order.next).toBe(3);
});

test('what is missing is named, up to what the sender has sent', () => {
  const order = new MessageOrder();
  for (const number of [0, 2, 3, 6]) order.add(number, message(number));
  expect(order.missing(9, RESEND_GAPS)).toEqual([[1, 2], [4, 6], [7, 9]]);
  expect(order.missing(9, 2)).toEqual([[1, 2], [4, 6]]);
  expect(order.behind(9)).toBe(8);
  expect(new MessageOrder().missing(0, RESEND_GAPS)).toEqual([]);
});

test('numbers go round', () => {
  const order = new MessageOrder(2 ** 32 - 2);
  expect(fills(order.add(0, message(2)))).toEqual([]);
  expect(order.missing(1, RESEND_GAPS)).toEqual([[2 ** 32 - 2, 0]]);
  expect(fills(order.add(2 ** 32 - 2, message(0)))).toEqual([0]);
  expect(fills(order.add(2 ** 32 - 1, message(1)))).toEqual([1, 2]);
  expect(order.next).toBe(2 ** 32 + 1);
});

test('what waits is bounded, in bytes, in messages and in numbers', () => {
  expect(() => new MessageOrder().add(MESSAGES_AHEAD + 1, message(0))).toThrow(PeerError);
  const large = new MessageOrder();
  const fill = () => {
    for (let number = 1; number <= 6; number++) large.add(number, message(0, MEDIA_KEPT_BYTES / 5));
  };
  expect(fill).toThrow('out of order');
});
