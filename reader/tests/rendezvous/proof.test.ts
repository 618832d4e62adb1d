import { createHash } from 'node:crypto';
import { expect, test, vi } from 'vitest';
import { KNOWN_DOOR_MS } from '../../src/limits';
import { search, searchInTurn } from '../../src/rendezvous/proof';
import { FirstZeros } from '../../src/rendezvous/sha256';

test.each([68, 83, 100, 119])('a text of %d bytes has the zeros that Node finds', (size) => {
  const text = new Uint8Array(size).map((_, index) => 7 * index);
  const digests = new FirstZeros(text);
  for (const number of [0, 1, 255, 65_536, 0xffffffff]) {
    new DataView(text.buffer).setUint32(size - 4, number);
    const [first] = new Uint32Array([createHash('sha256').update(text).digest().readUInt32BE(0)]);
    expect(digests.count(number)).toBe(Math.clz32(first!));
  }
});

test('a proof has the zero bits that are wanted, for the broker, nonce and time', async () => {
  const key = new Uint8Array(32).fill(5);
  const { nonce, time_s, proof } = await search(key, 12, 1_000_000.7, new AbortController().signal);
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(time_s));
  const digest = createHash('sha256').update('passerelle proof 1 ').update(key).update(nonce).update(time).update(proof).digest();
  expect(digest.readUInt32BE(0)).toBeLessThan(2 ** 20);
  expect(time_s).toBe(1_000_000);
});

test('a search that is given up ends', async () => {
  await expect(search(new Uint8Array(32), 32, 0, AbortSignal.abort(new Error('over')))).rejects.toThrow('over');
});

test('of two doors of one request the second has its proof when the first is silent', async () => {
  vi.useFakeTimers();
  try {
    const over = new AbortController();
    const found: string[] = [];
    const wanted = (name: string, signal: AbortSignal) =>
      void searchInTurn(new Uint8Array(32), 1, 0, signal).then(() => found.push(name), () => found.push(`not ${name}`));
    wanted('first', over.signal);
    wanted('second', over.signal);
    wanted('third', over.signal);
    wanted("another request's", new AbortController().signal);
    await vi.advanceTimersByTimeAsync(KNOWN_DOOR_MS / 2);
    expect(found.sort()).toEqual(["another request's", 'first']);
    await vi.advanceTimersByTimeAsync(KNOWN_DOOR_MS);
    expect(found).toContain('second');
    // The first has answered.
    over.abort();
    await vi.advanceTimersByTimeAsync(2 * KNOWN_DOOR_MS);
    expect(found).toContain('not third');
  } finally {
    vi.useRealTimers();
  }
});
