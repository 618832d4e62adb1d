/** Taking no more of a stream than is allowed, whatever was said of its length. */

import type { Bytes } from './integers';

/** Return `body` as far as it comes: where it breaks off, or has more than `most_bytes` bytes, `cut` is called with
 * whether it was too long, and it ends there. If `cut` throws, it breaks off with that. */
export function asFarAsItComes(
  body: ReadableStream<Bytes>,
  most_bytes: number,
  cut: (isLong: boolean) => void,
): ReadableStream<Bytes> {
  const reader = body.getReader();
  let left = most_bytes;
  const cancel = () => void reader.cancel().catch(() => {});
  return new ReadableStream<Bytes>(
    {
      async pull(controller) {
        const { value, done } = await reader.read().catch(() => ({ value: undefined, done: false }));
        left -= value?.length ?? 0;
        if (value && left >= 0) return controller.enqueue(value);
        cancel();
        if (!done) cut(left < 0);
        controller.close();
      },
      cancel,
    },
    { highWaterMark: 0 },
  );
}

/** Return the body of `response`. Rejects when it has more than `most_bytes` bytes. */
export async function bodyOf(response: Response, most_bytes: number): Promise<Bytes> {
  const body = asFarAsItComes(response.body!, most_bytes, () => {
    throw new TypeError('a long body');
  });
  return new Uint8Array(await new Response(body).arrayBuffer());
}
