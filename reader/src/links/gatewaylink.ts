/** One link to the exit's gateway: many requests at once, each with credit of its own (docs/PROTOCOL.md §10).
 *
 * Frames come from a volunteer, who can send anything. What comes is held to the credit that was given, and how answers
 * fare decides whether the link is kept: it is closed for what only a hostile volunteer does, and after a few failures.
 */

import {
  decode, encodeCredit, encodePing, encodePong, encodeReset, LINK_ID, requestFrames,
} from '../wire/gatewayframes';
import { LINK_MESSAGE_BYTES } from '../../../widget/src/core/limits';
import {
  ANSWER_WINDOW_BYTES, GATEWAY_CREDIT_BYTES, GATEWAY_REQUESTS, LINK_FAILURES, LINK_TEXT_BYTES, LINK_TEXTS, LINK_WINDOW_BYTES,
  PONGS_WAITING_BYTES,
} from '../limits';
import type { AnswerSink, Carrier, Failure, OpenRequest } from './carrier';
import type { LinkConnection } from './connection';
import { LOOK_MS, Pulse, type Patience } from './pulse';

/** A link that was silent for so long is given up, however few there are. */
const GONE_MS = 8_000;

interface Waiting {
  readonly sink: AnswerSink;
  /** The sealed request, until it is sent: a gateway takes no more than GATEWAY_REQUESTS at once. */
  message: Uint8Array | null;
  /** Bytes of the answer that were allowed and have not come. One frame may go beyond. */
  room: number;
}

export class GatewayLink implements Carrier {
  readonly #connection: LinkConnection;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;
  /** Bytes of all answers that were allowed and have not come. */
  #room = GATEWAY_CREDIT_BYTES;
  /** Bytes that may still come of answers which were given up. */
  #late = 0;
  #texts = 0;
  #failures = 0;
  #isProved = false;
  #isHostile = false;
  readonly #pulse: Pulse;
  readonly #stalled: (isNew: boolean) => void;
  #looking: ReturnType<typeof setTimeout> | undefined;

  /** Takes an open connection. `stalled` is called when nothing comes through, and again and again while it is so. */
  constructor(connection: LinkConnection, patience: Patience, stalled: (isNew: boolean) => void) {
    this.#connection = connection;
    this.#pulse = new Pulse(patience, performance.now());
    this.#stalled = stalled;
    connection.channel.onmessage = ({ data }) => this.#receive(data);
    connection.over.addEventListener('abort', () => this.#lose());
    this.#allow(LINK_WINDOW_BYTES - GATEWAY_CREDIT_BYTES);
    this.#look();
  }

  /** Requests under way, and those that wait. */
  get busy(): number {
    return this.#waiting.size;
  }

  /** Requests that failed since something came that only the gateway can have sent. */
  get failures(): number {
    return this.#failures;
  }

  /** Whether something came that no honest volunteer brings. */
  get isHostile(): boolean {
    return this.#isHostile;
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

  /** A request failed: nothing came, or word of a failure, which a volunteer may have invented. One that never brought
   * anything is not tried again. */
  failed(): void {
    this.#failures += 1;
    if (!this.#isProved || this.#failures >= LINK_FAILURES) this.close();
  }

  /** Something came that the gateway never sends. */
  distrust(): void {
    this.#isHostile = true;
    this.close();
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
    return ((this.busy + 1) * this.#pulse.rtt_ms) / (this.#connection.channel.worth ?? 1);
  }

  /** Let all requests go to other links. */
  leave(): void {
    for (const [id, waiting] of this.#waiting) this.#cancel(id, waiting);
    this.#lose('stalled');
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
    const waiting = { sink, message, room: GATEWAY_CREDIT_BYTES };
    this.#waiting.set(id, waiting);
    this.#next();
    if (this.#looking === undefined) this.#look();
    let unsaid = ANSWER_WINDOW_BYTES - GATEWAY_CREDIT_BYTES;
    return {
      used: (count) => {
        unsaid += count;
        // Few messages, so that their number does not tell the size of what was read.
        if (unsaid < ANSWER_WINDOW_BYTES / 4 || !this.#waiting.has(id)) return;
        waiting.room += unsaid;
        this.#send(encodeCredit(id, unsaid));
        unsaid = 0;
      },
      cancel: () => {
        if (!this.#waiting.has(id)) return;
        this.#end(id);
        this.#cancel(id, waiting);
      },
    };
  }

  /** Give an answer up; what was allowed of it may still be on its way. */
  #cancel(id: number, { room, message }: Waiting): void {
    if (message) return;
    if (room > 0) this.#late += room + LINK_MESSAGE_BYTES;
    this.#send(encodeReset(id, 'cancelled'));
  }

  /** Send requests that wait, as many as a gateway takes. */
  #next(): void {
    let count = [...this.#waiting.values()].filter(({ message }) => !message).length;
    for (const [id, waiting] of this.#waiting) {
      if (count >= GATEWAY_REQUESTS) return;
      if (!waiting.message) continue;
      count += 1;
      for (const frame of requestFrames(id, waiting.message)) this.#send(frame);
      waiting.message = null;
      waiting.sink.sent();
    }
  }

  #end(id: number): void {
    this.#waiting.delete(id);
    this.#next();
  }

  #receive(data: unknown): void {
    if (typeof data === 'string') {
      // The relay's: a link that drains, or a lane. Nothing here depends on it.
      if (++this.#texts > LINK_TEXTS || data.length > LINK_TEXT_BYTES) this.distrust();
      return;
    }
    if (!(data instanceof ArrayBuffer)) return;
    let frame;
    try {
      frame = decode(new Uint8Array(data));
    } catch {
      this.distrust();
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
    const waiting = this.#waiting.get(frame.id);
    if (frame.kind === 'answer' || frame.kind === 'answer_end') {
      const size = frame.body.length;
      // A frame is sent whole once there is any room for it.
      if (this.#room <= 0 || (waiting ? waiting.room : this.#late) <= 0) return this.distrust();
      const isLast = frame.kind === 'answer_end';
      this.#room -= size;
      if (waiting) waiting.room -= size;
      else this.#late -= size;
      // A link's credit comes back at once: what waits here is bounded by the credit of each answer.
      const gone = LINK_WINDOW_BYTES - this.#room;
      if (gone >= LINK_WINDOW_BYTES / 4) this.#allow(gone);
      if (isLast) this.#end(frame.id);
      // An answer that was cancelled may still be on its way.
      waiting?.sink.bytes(frame.body, isLast);
    } else if (frame.kind === 'reset') {
      this.#end(frame.id);
      waiting?.sink.failed(frame.code);
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

  /** Allow `count` more bytes of all answers. */
  #allow(count: number): void {
    this.#room += count;
    this.#send(encodeCredit(LINK_ID, count));
  }

  #send(message: Uint8Array<ArrayBuffer>): void {
    try {
      this.#connection.channel.send(message);
    } catch {
      this.close();
    }
  }

  #lose(failure: Failure = 'lost'): void {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { sink } of all) sink.failed(failure);
  }
}
