import { expect, test } from 'vitest';
import { MESSAGE_COST_BYTES } from '../../../src/core/limits';
import { MessageQueue } from '../../../src/core/traffic/queue';

test('messages come out as they went in, through any growing and shrinking', () => {
  const queue = new MessageQueue();
  const model: ArrayBuffer[] = [];
  // A fixed linear congruential sequence: the same walk every time.
  let seed = 1;
  for (let step = 0; step < 20_000; step++) {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    const isGrowing = step % 4_000 < 2_200;
    if ((seed >> 16) % 100 < (isGrowing ? 70 : 30)) {
      const message = new ArrayBuffer((seed >> 8) % 50);
      queue.push(message);
      model.push(message);
    } else expect(queue.shift()).toBe(model.shift());
    expect(queue.isEmpty).toBe(model.length === 0);
    expect(queue.first_bytes).toBe(model[0]?.byteLength ?? 0);
    if (step % 500 === 0) {
      const bytes = model.reduce((sum, { byteLength }) => sum + byteLength, 0);
      expect(queue.cost_bytes).toBe(bytes + model.length * MESSAGE_COST_BYTES);
    }
  }
});

test('empty messages are messages, and have a cost', () => {
  const queue = new MessageQueue();
  const message = new ArrayBuffer(0);
  queue.push(message);
  expect(queue.isEmpty).toBe(false);
  expect(queue.cost_bytes).toBe(MESSAGE_COST_BYTES);
  expect(queue.shift()).toBe(message);
  expect(queue.shift()).toBeUndefined();
});

test('what was cleared is gone', () => {
  const queue = new MessageQueue();
  for (let index = 0; index < 5; index++) queue.push(new ArrayBuffer(3));
  queue.shift();
  queue.clear();
  expect([queue.isEmpty, queue.cost_bytes, queue.shift()]).toEqual([true, 0, undefined]);
});
