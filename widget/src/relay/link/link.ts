/** One link: copies messages between a DataChannel (the client's side) and a WebSocket (the exit's side).
 *
 * Binary messages belong to the link and are copied untouched. Text messages are between one side and this
 * relay (`core/wire/control.ts`) and are never copied. A link knows neither WebRTC nor sockets: it writes
 * to a side through a `MessagePipe`, and the side calls `opened`, `message`, `writable` and `lost`.
 */

import { PeerError, type LinkCode } from '../../core/errors';
import { EXIT_TEXT_BURST, LINK_MESSAGE_BYTES } from '../../core/limits';
import { Bucket } from '../../core/traffic/bucket';
import * as control from '../../core/wire/control';
import { Outbox, type MessagePipe } from './outbox';
import type { RateLimiter } from './ratelimiter';

/** The time in which a side must open. A WebSocket needs three round trips; ICE may try for longer. */
const OPEN_MS = { client: 15_000, exit: 10_000 } as const;
/** When the client goes after this time, an exit that has not opened counts as not reached. */
const SLOW_MS = 5_000;
/** More time to open, for when people carry the answer to the client by hand. */
const PATIENT_MS = 300_000;
/** The time in which received messages are handed over, and both sides close. */
const LINGER_MS = 5_000;
/** The time in which both sides close when nothing is handed over. */
const ABORT_MS = 100;

export type Side = 'client' | 'exit';

export interface LinkEvents {
  /** `isOpen` may have changed. */
  changed(): void;
  /** A pipe accepted `bytes`. */
  carried(bytes: number): void;
  /** The client asks this relay for something. Throws PeerError. */
  heard(message: control.ClientToRelay): void;
  /** Both sides are closed, or were given up. This is the last event, and it comes once. */
  over(code: LinkCode): void;
}

type Timer = ReturnType<typeof setTimeout>;

export class Link {
  readonly #events: LinkEvents;
  /** Messages on their way *to* each side. */
  readonly #outboxes: Readonly<Record<Side, Outbox>>;
  readonly #opening: Readonly<Record<Side, Timer>>;
  readonly #lost = new Set<Side>();
  /** The code that the link is closing with; null while it is in use. */
  #end: LinkCode | null = null;
  #over = false;
  /** Whether the exit was reached; null while that is not known. */
  #reached: boolean | null = null;
  readonly #begun_ms = performance.now();
  readonly #texts = new Bucket(1, EXIT_TEXT_BURST, this.#begun_ms);
  #offender: Side | null = null;
  #timer: Timer | undefined;

  /** A `patient` link waits longer for a client that comes late, and for the exit after it. */
  constructor(limiter: RateLimiter, events: LinkEvents, patient = false) {
    this.#events = events;
    const outbox = () =>
      new Outbox(limiter, {
        carried: (bytes) => events.carried(bytes),
        failed: (code) => this.close(code),
      });
    const more_ms = patient ? PATIENT_MS : 0;
    const timer = (side: Side) => setTimeout(() => this.#expire(side), OPEN_MS[side] + more_ms);
    // The exit comes first in every loop over the sides: when the page is left, the client's channel may
    // be closed already, and the exit must still be told.
    this.#outboxes = { exit: outbox(), client: outbox() };
    this.#opening = { client: timer('client'), exit: timer('exit') };
  }

  /** Whether both sides are open, so that somebody is being helped. */
  get isOpen(): boolean {
    const { client, exit } = this.#outboxes;
    return this.#end === null && client.state === 'open' && exit.state === 'open';
  }

  /** Whether the exit's side opened. It is null while that is not known, and if the link ended before. */
  get reached(): boolean | null {
    return this.#reached;
  }

  /** The side that sent what no honest peer sends; null as long as none did. */
  get offender(): Side | null {
    return this.#offender;
  }

  /** Give a side its pipe, which need not be open yet. */
  attach(side: Side, pipe: MessagePipe): void {
    if (this.#end === null) this.#outboxes[side].attach(pipe);
    else pipe.close(this.#end);
  }

  /** A side's pipe is open. */
  opened(side: Side): void {
    if (this.#end !== null || this.#outboxes[side].state !== 'opening') return;
    clearTimeout(this.#opening[side]);
    if (side === 'exit') this.#reached = true;
    this.#outboxes[side].open();
    this.#events.changed();
  }

  /** Take a message of `side`, which may be anything. */
  message(side: Side, data: unknown): void {
    // Nothing is copied while the link is closing. But a client may still ask for messages that it
    // misses, when its exit has closed.
    const isHeard = this.#end === 'normal' && typeof data === 'string';
    if (this.#end !== null && !isHeard) return;
    try {
      if (typeof data === 'string') this.#hear(side, data);
      else if (!(data instanceof ArrayBuffer)) throw new PeerError('malformed', 'neither text nor bytes');
      else if (data.byteLength > LINK_MESSAGE_BYTES) throw new PeerError('limit', 'a large message');
      else this.#copy(side === 'client' ? 'exit' : 'client', data);
    } catch (error) {
      if (error instanceof PeerError) this.#offender = side;
      this.#fail(error);
    }
  }

  /** The `bufferedAmount` of a side's pipe is down to the low mark. */
  writable(side: Side): void {
    this.#outboxes[side].writable();
  }

  /** Send text to the client. */
  say(text: string): void {
    if (this.#end === null) this.#outboxes.client.say(text);
  }

  /** A side's pipe closed, for whatever reason. The other side gets what was received, then it closes too. */
  lost(side: Side): void {
    const { client, exit } = this.#outboxes;
    const [own, other] = side === 'client' ? [client, exit] : [exit, client];
    const isSlow = performance.now() - this.#begun_ms > SLOW_MS;
    if (this.#end === null && exit.state === 'opening' && (side === 'exit' || isSlow)) this.#reached = false;
    this.#lost.add(side);
    own.abort('normal');
    if (this.#beginEnd('normal', other.state === 'open' ? LINGER_MS : ABORT_MS)) {
      other.finish('normal');
      this.#events.changed();
    }
    if (this.#lost.size === 2) this.#conclude();
  }

  /** Close both sides at once. */
  close(code: LinkCode): void {
    if (!this.#beginEnd(code, ABORT_MS)) return;
    for (const outbox of Object.values(this.#outboxes)) outbox.abort(code);
    this.#events.changed();
  }

  /** Ask both sides to stop using this link, and go on copying for at most `grace_ms`. */
  drain(grace_ms: number): void {
    for (const outbox of Object.values(this.#outboxes)) if (this.isOpen) outbox.say(control.DRAIN);
    if (!this.isOpen || grace_ms === 0) return this.close('draining');
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.close('draining'), grace_ms);
  }

  #expire(side: Side): void {
    if (side === 'exit') this.#reached = false;
    this.close('timeout');
  }

  #copy(to: Side, data: ArrayBuffer): void {
    try {
      this.#outboxes[to].write(data);
    } catch (error) {
      // That too much waits may be the other side's doing, so nobody is blamed.
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.close(error instanceof PeerError ? error.code : 'internal');
  }

  #hear(side: Side, text: string): void {
    if (side === 'exit' && !this.#texts.take(1, performance.now())) throw new PeerError('limit', 'many texts');
    const message = control.decode(text);
    if (message && side === 'client') this.#events.heard(message);
  }

  /** Begin to close with `code`. Return false when the link was closing already. */
  #beginEnd(code: LinkCode, linger_ms: number): boolean {
    if (this.#end !== null) return false;
    this.#end = code;
    for (const timer of Object.values(this.#opening)) clearTimeout(timer);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#conclude(), linger_ms);
    return true;
  }

  #conclude(): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    const code = this.#end ?? 'normal';
    for (const outbox of Object.values(this.#outboxes)) outbox.abort(code);
    this.#events.over(code);
  }
}
