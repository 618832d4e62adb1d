/** Sealed requests by HTTPS through a door, each by itself, where no volunteer can be reached (docs/PROTOCOL.md §10).
 *
 * A door sees sizes and times. Credit is what the connection takes: no more is read than the page has room for.
 */

import { ANSWER_WINDOW_BYTES } from '../limits';
import { NONE, type Bytes } from '../wire/integers';
import type { AnswerSink, Carrier, Failure, OpenRequest } from './carrier';

const CONTENT_TYPE = 'message/ohttp-chunked-res';
/** What a door's answer without a sealed one means. What cannot be opened is answered as a path that does not exist. */
const FAILURES: Readonly<Record<number, Failure | undefined>> = { 404: 'key', 409: 'replayed', 429: 'limit', 503: 'draining' };

export class DoorLink implements Carrier {
  /** The door's host, as it is shown to the reader. */
  readonly host: string;
  readonly #url: string;
  #busy = 0;
  #failures = 0;
  #isProved = false;

  /** `url` is the door's base URL. */
  constructor(url: string, exit: string) {
    this.host = new URL(url).host;
    this.#url = `${url}/v1/gateway/${exit}`;
  }

  get busy(): number {
    return this.#busy;
  }

  get failures(): number {
    return this.#failures;
  }

  get isProved(): boolean {
    return this.#isProved && this.#failures === 0;
  }

  proved(): void {
    this.#isProved = true;
    this.#failures = 0;
  }

  failed(): void {
    this.#failures += 1;
  }

  /** There may be no other door, so this one is only tried last. */
  distrust(): void {
    this.#failures += 1;
  }

  request(message: Bytes, sink: AnswerSink): OpenRequest {
    const over = new AbortController();
    const room = new Room();
    this.#busy += 1;
    sink.sent();
    void this.#carry(message, sink, over.signal, room).finally(() => (this.#busy -= 1));
    return {
      used: (count) => room.add(count),
      cancel: () => {
        over.abort();
        room.add(Infinity);
      },
    };
  }

  async #carry(message: Bytes, sink: AnswerSink, signal: AbortSignal, room: Room): Promise<void> {
    try {
      // Without a content type this is a simple request, which saves the round trip of a preflight.
      const response = await fetch(this.#url, {
        method: 'POST',
        body: message,
        credentials: 'omit',
        referrerPolicy: 'no-referrer',
        cache: 'no-store',
        redirect: 'error',
        signal,
      });
      if (response.status !== 200 || response.headers.get('content-type') !== CONTENT_TYPE || !response.body) {
        sink.failed(FAILURES[response.status] ?? 'lost');
        return;
      }
      const reader = response.body.getReader();
      for (;;) {
        await room.some();
        if (signal.aborted) return void reader.cancel();
        const { done, value } = await reader.read();
        sink.bytes(value ?? NONE, done);
        if (done) return;
        room.add(-value.length);
      }
    } catch {
      if (!signal.aborted) sink.failed('lost');
    }
  }
}

/** Bytes that may still be read. */
class Room {
  #left = ANSWER_WINDOW_BYTES;
  #wake = () => {};

  add(count: number): void {
    this.#left += count;
    this.#wake();
  }

  /** Wait until there are some. */
  async some(): Promise<void> {
    while (this.#left <= 0) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}
