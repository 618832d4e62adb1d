/** Sealed requests by HTTPS through a door, each by itself, where no volunteer can be reached (docs/PROTOCOL.md §10).
 *
 * A door sees sizes and times. Credit is what the connection takes: no more is read than the page has room for. Nothing is
 * handed over before a whole chunk has come, and a door on which one stands still is left.
 */

import { ANSWER_WINDOW_BYTES } from '../limits';
import { join, NONE, type Bytes } from '../wire/integers';
import type { AnswerSink, Failure, OpenRequest } from './carrier';
import { within } from './leastrate';
import { Pace } from './pace';
import type { Patience } from './pulse';

const CONTENT_TYPE = 'message/ohttp-chunked-res';
/** What a door's answer without a sealed one means. What cannot be opened is answered as a path that does not exist. */
const FAILURES: Readonly<Record<number, Failure | undefined>> = { 404: 'key', 409: 'replayed', 429: 'limit', 503: 'draining' };

/** Requests that are under way at once: a door of somebody with a small server takes six, of all its readers. */
const AT_ONCE = 4;
/** A door without room is asked again so often, after this time and at most twice of it. */
const BUSY_TRIES = 3;
const BUSY_MS = 1_000;

/** One request under way through one door. */
export interface DoorRequest extends OpenRequest {
  /** Whether something of the answer came, though it may be less than a chunk. */
  readonly hasBegun: boolean;
}

export class DoorLink {
  /** The door's host, as it is shown to the reader. */
  readonly host: string;
  /** Its base URL. */
  readonly url: string;
  readonly #gateway: string;
  readonly #patience: Patience;
  #busy = 0;
  #underWay = 0;
  /** Those that wait for others to end, in their order; each is told whether it may begin. */
  readonly #waiting: ((mayBegin: boolean) => void)[] = [];
  #failures = 0;
  #isProved = false;

  /** `url` is the door's base URL. `patience` is shared by all doors: where all are slow, it is the reader's own network. */
  constructor(url: string, exit: string, patience: Patience) {
    this.#patience = patience;
    this.host = new URL(url).host;
    this.url = url;
    this.#gateway = `${url}/v1/gateway/${exit}`;
  }

  /** Requests under way, and those that wait. */
  get busy(): number {
    return this.#busy;
  }

  /** Requests that failed since something came that only the gateway can have sent. */
  get failures(): number {
    return this.#failures;
  }

  /** Whether it brought an answer, and has failed in nothing since. */
  get isProved(): boolean {
    return this.#isProved && this.#failures === 0;
  }

  /** Something came that only the gateway can have sent. */
  proved(): void {
    this.#isProved = true;
    this.#failures = 0;
  }

  /** It brought nothing, or what the gateway never sends. There may be no other door, so this one is only tried last. */
  failed(): void {
    this.#failures += 1;
    // Those that wait are not to wait for a door that holds everything.
    if (this.#failures === 1) for (const next of this.#waiting.splice(0)) next(false);
  }

  /** Send a sealed request, once there is room for it. */
  request(message: Bytes, sink: AnswerSink): DoorRequest {
    const over = new AbortController();
    const room = new Room();
    let hasBegun = false;
    const begun = () => void (hasBegun = true);
    this.#busy += 1;
    void this.#inTurn(() => this.#carry(message, sink, over.signal, room, begun), () => sink.failed('stalled')).finally(() => (this.#busy -= 1));
    return {
      get hasBegun() {
        return hasBegun;
      },
      used: (count) => room.add(count),
      cancel: () => {
        over.abort();
        room.add(Infinity);
      },
    };
  }

  /** Do `work` once there is room for it, or `leave` if the door fails before. */
  async #inTurn(work: () => Promise<void>, leave: () => void): Promise<void> {
    if (this.#underWay < AT_ONCE) this.#underWay += 1;
    else if (!(await new Promise<boolean>((resolve) => this.#waiting.push(resolve)))) return leave();
    await work();
    // Whoever waits takes the place over.
    const next = this.#waiting.shift();
    if (next) next(true);
    else this.#underWay -= 1;
  }

  /** Send the message; again while the door has no room, because then it went no further. */
  async #send(message: Bytes, signal: AbortSignal): Promise<Response> {
    for (let tries = 1; ; tries++) {
      // Without a content type this is a simple request, which saves the round trip of a preflight.
      const response = await fetch(this.#gateway, {
        method: 'POST',
        body: message,
        credentials: 'omit',
        referrerPolicy: 'no-referrer',
        cache: 'no-store',
        redirect: 'error',
        signal,
      });
      if (response.status !== 503 || tries > BUSY_TRIES) return response;
      await new Promise((resolve) => setTimeout(resolve, BUSY_MS * (1 + Math.random())));
      signal.throwIfAborted();
    }
  }

  async #carry(message: Bytes, sink: AnswerSink, signal: AbortSignal, room: Room, begun: () => void): Promise<void> {
    try {
      signal.throwIfAborted();
      sink.sent();
      const response = await this.#send(message, signal);
      if (response.status !== 200 || response.headers.get('content-type') !== CONTENT_TYPE || !response.body) {
        sink.failed(FAILURES[response.status] ?? 'lost');
        return;
      }
      const reader = response.body.getReader();
      const pace = new Pace(this.#patience.factor);
      const held: Bytes[] = [];
      for (;;) {
        await room.some();
        if (signal.aborted) return void reader.cancel();
        const since_ms = performance.now();
        const part = await within(pace.left_ms, reader.read());
        if (!part) {
          void reader.cancel();
          this.#patience.grow();
          this.failed();
          return sink.failed('stalled');
        }
        const { done, value = NONE } = part;
        pace.add(value, performance.now() - since_ms);
        held.push(value);
        begun();
        if (pace.hasChunk || (done && pace.isLast)) sink.bytes(join(held.splice(0)), done);
        else if (done) return sink.failed('lost');
        if (done) return void (this.#patience.factor = 1);
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
