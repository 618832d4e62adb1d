/** One link: copies between a DataChannel (the client's side) and a WebSocket (the exit's side).
 *
 * Binary messages are the link's and are copied untouched; text messages are between a side and
 * this relay (`core/control.ts`) and are never copied. Knows neither WebRTC nor sockets: a side is
 * a `Port` to write to, and calls of `opened`, `message`, `roomy` and `lost`.
 */

import * as control from '../../core/wire/control';
import { PeerError, type LinkCode } from '../../core/errors';
import { LINK_MESSAGE_BYTES } from '../../core/limits';
import { Outbox, type MessagePipe } from './outbox';
import type { RateLimiter } from './ratelimiter';

/** Time for a side to open: a WebSocket needs three round trips, ICE may try for long. */
const OPEN_MS = { client: 15_000, exit: 10_000 } as const;
/** The same where people carry the answer to the client by hand. */
const PATIENT_MS = 300_000;
/** Time for what was received to be handed over, and for the far ends to close. */
const LINGER_MS = 5_000;
/** The same when there is nothing worth handing over. */
const ABORT_MS = 100;

export type Side = 'client' | 'exit';

export interface LinkEvents {
  /** `isOpen` may have changed. */
  changed(): void;
  /** `bytes` were copied. */
  carried(bytes: number): void;
  /** The client says something to this relay. Throws PeerError. */
  heard(message: control.ClientToRelay): void;
  /** Both sides are closed, or were given up. The last event, and sent once. */
  over(code: LinkCode): void;
}

type Timer = ReturnType<typeof setTimeout>;

export class Link {
  readonly #events: LinkEvents;
  /** What is on its way *to* each side. */
  readonly #flows: Readonly<Record<Side, Outbox>>;
  readonly #opening: Readonly<Record<Side, Timer>>;
  readonly #lost = new Set<Side>();
  #end: LinkCode | null = null;
  #over = false;
  #timer: Timer | undefined;

  /** A `patient` link waits for a client that comes late, and for the exit after it. */
  constructor(pace: RateLimiter, events: LinkEvents, patient = false) {
    this.#events = events;
    const flow = () =>
      new Outbox(pace, {
        carried: (bytes) => events.carried(bytes),
        failed: (code) => this.close(code),
      });
    const more_ms = patient ? PATIENT_MS : 0;
    const timer = (side: Side) => setTimeout(() => this.close('timeout'), OPEN_MS[side] + more_ms);
    // The exit first: when the page goes, the client's channel may be gone already.
    this.#flows = { exit: flow(), client: flow() };
    this.#opening = { client: timer('client'), exit: timer('exit') };
  }

  /** Whether both sides are open: somebody is on the bridge. */
  get isOpen(): boolean {
    const { client, exit } = this.#flows;
    return this.#end === null && client.state === 'open' && exit.state === 'open';
  }

  /** Give a side its pipe, which need not be open yet. */
  attach(side: Side, port: MessagePipe): void {
    if (this.#end === null) this.#flows[side].attach(port);
    else port.close(this.#end);
  }

  opened(side: Side): void {
    if (this.#end !== null || this.#flows[side].state !== 'opening') return;
    clearTimeout(this.#opening[side]);
    this.#flows[side].open();
    this.#events.changed();
  }

  /** Take what `side` sent; anything may come. */
  message(side: Side, data: unknown): void {
    // While the far side is closing there is nobody left to copy to. A client may still miss
    // something of what was received for it.
    const isHeard = this.#end === 'normal' && typeof data === 'string';
    if (this.#end !== null && !isHeard) return;
    try {
      if (data instanceof ArrayBuffer) this.#copy(side === 'client' ? 'exit' : 'client', data);
      else if (typeof data === 'string') this.#hear(side, data);
      else throw new PeerError('malformed', 'neither text nor bytes');
    } catch (error) {
      this.close(error instanceof PeerError ? error.code : 'internal');
    }
  }

  /** A side's `bufferedAmount` is down to the low mark. */
  roomy(side: Side): void {
    this.#flows[side].roomy();
  }

  /** Tell the client something. */
  say(text: string): void {
    if (this.#end === null) this.#flows.client.say(text);
  }

  /** A side closed, for whatever reason: the other gets what was received, then closes too. */
  lost(side: Side): void {
    const { client, exit } = this.#flows;
    const [flow, other] = side === 'client' ? [client, exit] : [exit, client];
    this.#lost.add(side);
    flow.abort('normal');
    if (this.#ending('normal', other.state === 'open' ? LINGER_MS : ABORT_MS)) {
      other.finish('normal');
      this.#events.changed();
    }
    if (this.#lost.size === 2) this.#conclude();
  }

  /** Close both sides at once. */
  close(code: LinkCode): void {
    if (!this.#ending(code, ABORT_MS)) return;
    for (const flow of Object.values(this.#flows)) flow.abort(code);
    this.#events.changed();
  }

  /** Ask both sides to move off this link, and go on copying for at most `grace_ms`. */
  drain(grace_ms: number): void {
    for (const flow of Object.values(this.#flows)) if (this.isOpen) flow.say(control.DRAIN);
    if (!this.isOpen || grace_ms === 0) return this.close('draining');
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.close('draining'), grace_ms);
  }

  #copy(to: Side, data: ArrayBuffer): void {
    if (data.byteLength > LINK_MESSAGE_BYTES) throw new PeerError('limit', 'a large message');
    this.#flows[to].write(data);
  }

  #hear(side: Side, text: string): void {
    const message = control.decode(text);
    if (message && side === 'client') this.#events.heard(message);
  }

  /** Begin to end; false where that has begun already. */
  #ending(code: LinkCode, linger_ms: number): boolean {
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
    for (const flow of Object.values(this.#flows)) flow.abort(code);
    this.#events.over(code);
  }
}
