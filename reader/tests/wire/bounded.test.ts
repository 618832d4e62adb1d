import { expect, test } from 'vitest';
import { asFarAsItComes, bodyOf } from '../../src/wire/bounded';

const pieces = (error: Error | null) =>
  new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      controller.enqueue(new Uint8Array(1000));
      if (error) controller.error(error);
    },
  });

test('a body is read as far as is allowed, whatever its header says', async () => {
  const whole = new Response(new Uint8Array(5000), { headers: { 'content-length': '1' } });
  expect(await bodyOf(whole, 5000)).toHaveLength(5000);
  await expect(bodyOf(new Response(pieces(null)), 5000)).rejects.toThrow();
});

test.each([[null, 5000], [new Error('broken'), 0]])('a document that has no end or breaks off ends', async (error, least) => {
  const cuts: boolean[] = [];
  const body = asFarAsItComes(pieces(error), 5000, (isLong) => cuts.push(isLong));
  const bytes = await new Response(body).arrayBuffer();
  expect(bytes.byteLength).toBeGreaterThanOrEqual(least);
  expect(bytes.byteLength).toBeLessThanOrEqual(5000);
  expect(cuts).toEqual([error === null]);
});
