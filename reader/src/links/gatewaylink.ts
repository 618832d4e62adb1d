/** One link to the exit's gateway: many requests at once, each with credit of its own (docs/PROTOCOL.md §8). */

import { decode, encodeCredit, encodeReset, LINK_ID, requestFrames, type Reset } from '../wire/gatewayframes';
import { ANSWER_WINDOW_BYTES, GATEWAY_CREDIT_BYTES, GATEWAY_REQUESTS, LINK_WINDOW_BYTES } from '../limits';
import type { LinkConnection } from './connection';

/** Why an answer is over before its end: what the gateway says, or the link itself was lost. */
export type Failure = Reset | 'lost';

/** Takes the sealed answer of one request. */
export interface AnswerSink {
  /** The request leaves now: it may have waited for others to end. */
  sent(): void;
  bytes(body: Uint8Array, isLast: boolean): void;
  /** Nothing more comes. */
  failed(failure: Failure): void;
}

/** A request under way. */
export interface OpenRequest {
  /** Say that `count` bytes of the answer were used, so that as many more may come. */
  used(count: number): void;
  cancel(): void;
}

export class GatewayLink {
  readonly #connection: LinkConnection;
  /** By the number of each request. */
  readonly #sinks = new Map<number, AnswerSink>();
  /** Sealed requests that wait for others to end, because a gateway takes no more at once. */
  readonly #queue = new Map<number, Uint8Array>();
  #last = 0;
  /** Received bytes for which the link has given no credit back. */
  #received = 0;

  /** Takes an open connection. */
  constructor(connection: LinkConnection) {
    this.#connection = connection;
    connection.channel.onmessage = ({ data }: MessageEvent<unknown>) => this.#receive(data);
    connection.over.addEventListener('abort', () => this.#lose());
    this.#send(encodeCredit(LINK_ID, LINK_WINDOW_BYTES - GATEWAY_CREDIT_BYTES));
  }

  /** Requests under way, and those that wait. */
  get busy(): number {
    return this.#sinks.size;
  }

  get isOpen(): boolean {
    return !this.#connection.over.aborted;
  }

  close(): void {
    this.#connection.close();
  }

  /** Send a sealed request. `sink` hears of a link that is over by now, too. */
  request(message: Uint8Array, sink: AnswerSink): OpenRequest {
    const id = ++this.#last;
    if (!this.isOpen) {
      queueMicrotask(() => sink.failed('lost'));
      return { used() {}, cancel() {} };
    }
    this.#sinks.set(id, sink);
    this.#queue.set(id, message);
    this.#next();
    let unsaid = ANSWER_WINDOW_BYTES - GATEWAY_CREDIT_BYTES;
    return {
      used: (count) => {
        unsaid += count;
        // Few messages, so that their number does not tell the size of what was read.
        if (unsaid < ANSWER_WINDOW_BYTES / 4 || !this.#sinks.has(id)) return;
        this.#send(encodeCredit(id, unsaid));
        unsaid = 0;
      },
      cancel: () => {
        const isSent = !this.#queue.delete(id);
        if (this.#sinks.delete(id) && isSent) this.#send(encodeReset(id, 'cancelled'));
        this.#next();
      },
    };
  }

  #next(): void {
    for (const [id, message] of this.#queue) {
      if (this.#sinks.size - this.#queue.size >= GATEWAY_REQUESTS) return;
      this.#queue.delete(id);
      for (const frame of requestFrames(id, message)) this.#send(frame);
      this.#sinks.get(id)?.sent();
    }
  }

  #receive(data: unknown): void {
    // Text is the relay's: a link that drains, or a lane. Nothing here depends on it.
    if (!(data instanceof ArrayBuffer)) return;
    let frame;
    try {
      frame = decode(new Uint8Array(data));
    } catch {
      this.close();
      return;
    }
    if (!frame) return;
    const sink = this.#sinks.get(frame.id);
    if (frame.kind === 'answer' || frame.kind === 'answer_end') {
      const isLast = frame.kind === 'answer_end';
      this.#credit(frame.body.length);
      if (isLast) this.#end(frame.id);
      // An answer that was cancelled may still be on its way.
      sink?.bytes(frame.body, isLast);
    } else if (frame.kind === 'reset') {
      this.#end(frame.id);
      sink?.failed(frame.code);
    }
  }

  #end(id: number): void {
    this.#sinks.delete(id);
    this.#next();
  }

  /** A link's credit comes back at once: what waits here is bounded by the credit of each answer. */
  #credit(count: number): void {
    this.#received += count;
    if (this.#received < LINK_WINDOW_BYTES / 4) return;
    this.#send(encodeCredit(LINK_ID, this.#received));
    this.#received = 0;
  }

  #send(message: Uint8Array<ArrayBuffer>): void {
    try {
      this.#connection.channel.send(message);
    } catch {
      this.close();
    }
  }

  #lose(): void {
    const sinks = [...this.#sinks.values()];
    this.#sinks.clear();
    this.#queue.clear();
    for (const sink of sinks) sink.failed('lost');
  }
}
