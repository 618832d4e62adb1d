/** One link to the exit's gateway: many requests at once, each with credit of its own (docs/PROTOCOL.md §10). */

import {
  decode,
  encodeCredit,
  encodePing,
  encodePong,
  encodeReset,
  LINK_ID,
  requestFrames,
  type Reset,
} from '../wire/gatewayframes';
import { ANSWER_WINDOW_BYTES, GATEWAY_CREDIT_BYTES, LINK_WINDOW_BYTES, PONGS_WAITING_BYTES } from '../limits';
import type { LinkConnection } from './connection';
import { LOOK_MS, Pulse, type Patience } from './pulse';

/** A link that was silent for so long is given up, however few there are. */
const GONE_MS = 8_000;

/** Why an answer is over before its end: what the gateway says, or the link itself was lost. */
export type Failure = Reset | 'lost';

/** Takes the sealed answer of one request. */
export interface AnswerSink {
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
  readonly #sinks = new Map<number, AnswerSink>();
  #last = 0;
  /** Received bytes for which the link has given no credit back. */
  #received = 0;
  readonly #pulse: Pulse;
  readonly #stalled: (isNew: boolean) => void;
  #looking: ReturnType<typeof setTimeout> | undefined;

  /** Takes an open connection. `stalled` is called when nothing comes through, and again and again while it is so. */
  constructor(connection: LinkConnection, patience: Patience, stalled: (isNew: boolean) => void) {
    this.#connection = connection;
    this.#pulse = new Pulse(patience, performance.now());
    this.#stalled = stalled;
    connection.channel.onmessage = ({ data }: MessageEvent<unknown>) => this.#receive(data);
    connection.over.addEventListener('abort', () => this.#lose());
    this.#send(encodeCredit(LINK_ID, LINK_WINDOW_BYTES - GATEWAY_CREDIT_BYTES));
    this.#look();
  }

  /** Requests under way. */
  get busy(): number {
    return this.#sinks.size;
  }

  get isOpen(): boolean {
    return !this.#connection.over.aborted;
  }

  /** Whether a PING has no answer, and nothing else comes. */
  get isStalled(): boolean {
    return this.#pulse.isStalled;
  }

  /** How long one more request would wait here, compared with other links. */
  get cost_ms(): number {
    return (this.busy + 1) * this.#pulse.rtt_ms;
  }

  /** Let all requests go to other links. */
  leave(): void {
    for (const id of this.#sinks.keys()) this.#send(encodeReset(id, 'cancelled'));
    this.#lose();
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
    for (const frame of requestFrames(id, message)) this.#send(frame);
    if (this.#looking === undefined) this.#look();
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
        if (this.#sinks.delete(id)) this.#send(encodeReset(id, 'cancelled'));
      },
    };
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
    this.#pulse.heard(performance.now());
    if (!frame) return;
    if (frame.kind === 'ping') {
      // A volunteer that sends PINGs and takes nothing would pile their answers up.
      if (this.#connection.channel.bufferedAmount < PONGS_WAITING_BYTES) this.#send(encodePong(frame.mark));
      return;
    }
    if (frame.kind === 'pong') return this.#pulse.pong(frame.mark, performance.now());
    const sink = this.#sinks.get(frame.id);
    if (frame.kind === 'answer' || frame.kind === 'answer_end') {
      const isLast = frame.kind === 'answer_end';
      this.#credit(frame.body.length);
      if (isLast) this.#sinks.delete(frame.id);
      // An answer that was cancelled may still be on its way.
      sink?.bytes(frame.body, isLast);
    } else if (frame.kind === 'reset') {
      this.#sinks.delete(frame.id);
      sink?.failed(frame.code);
    }
  }

  /** Look after the link while it has something to do, and while it is stalled. */
  #look(): void {
    this.#looking = undefined;
    if (!this.isOpen) return;
    const now_ms = performance.now();
    const wasStalled = this.isStalled;
    if (this.#pulse.look(now_ms) > GONE_MS) return this.close();
    if (this.isStalled) this.#stalled(!wasStalled);
    const mark = this.#pulse.ping(now_ms);
    if (mark !== null) this.#send(encodePing(mark));
    if (this.busy > 0 || this.isStalled) this.#looking = setTimeout(() => this.#look(), LOOK_MS);
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
    for (const sink of sinks) sink.failed('lost');
  }
}
