/** One link: copies between a DataChannel (the client's side) and a WebSocket (the exit's side).
 *
 * Binary messages are the link's and are copied untouched; text messages are between a side and
 * this relay (`core/control.ts`) and are never copied. Knows neither WebRTC nor sockets: a side is
 * a `Port` to write to, and calls of `opened`, `message` and `lost`.
 */

import * as control from '../core/control';
import { PeerError, type LinkCode } from '../core/fault';
import { BUFFERED_BYTES, LINK_MESSAGE_BYTES, WAITING_BYTES } from '../core/limits';

/** Time for a side to open: a WebSocket needs three round trips, ICE may try for long. */
const OPEN_MS = { client: 15_000, exit: 10_000 } as const;
/** Time for the far ends to close after what was received has been handed over. */
const LINGER_MS = 5_000;
/** The same when there is nothing worth handing over. */
const ABORT_MS = 100;

export type Side = 'client' | 'exit';

/** One side's pipe: reliable, ordered messages. */
export interface Port {
  /** Bytes accepted by `send` and not yet sent. */
  readonly bufferedAmount: number;
  send(data: string | ArrayBuffer): void;
  /** Close once everything accepted is sent. May be called more than once. */
  close(code: LinkCode): void;
}

export interface LinkEvents {
  /** `isOpen` may have changed. */
  changed(): void;
  /** `bytes` were copied. */
  carried(bytes: number): void;
  /** Both sides are closed, or were given up. The last event, and sent once. */
  over(code: LinkCode): void;
}

interface Half {
  state: 'opening' | 'open' | 'closed';
  port: Port | null;
  /** Messages for this side from before it opened. */
  waiting: ArrayBuffer[];
  waiting_bytes: number;
  timer: ReturnType<typeof setTimeout>;
}

export class Link {
  readonly #events: LinkEvents;
  readonly #halves: Readonly<Record<Side, Half>>;
  #end: LinkCode | null = null;
  #over = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(events: LinkEvents) {
    this.#events = events;
    const half = (side: Side): Half => ({
      state: 'opening',
      port: null,
      waiting: [],
      waiting_bytes: 0,
      timer: setTimeout(() => this.close('timeout'), OPEN_MS[side]),
    });
    this.#halves = { client: half('client'), exit: half('exit') };
  }

  /** Whether both sides are open: somebody is on the bridge. */
  get isOpen(): boolean {
    const { client, exit } = this.#halves;
    return this.#end === null && client.state === 'open' && exit.state === 'open';
  }

  /** Give a side its pipe, which need not be open yet. */
  attach(side: Side, port: Port): void {
    if (this.#end === null) this.#halves[side].port = port;
    else port.close(this.#end);
  }

  opened(side: Side): void {
    const half = this.#halves[side];
    if (this.#end !== null || half.state !== 'opening') return;
    half.state = 'open';
    clearTimeout(half.timer);
    for (const data of half.waiting.splice(0)) this.#send(half, data);
    half.waiting_bytes = 0;
    this.#events.changed();
  }

  /** Take what `side` sent; anything may come. */
  message(side: Side, data: unknown): void {
    // While the far side is closing there is nobody left to copy to.
    if (this.#end !== null) return;
    try {
      if (typeof data === 'string') control.check(data);
      else if (data instanceof ArrayBuffer) this.#copy(side === 'client' ? 'exit' : 'client', data);
      else throw new PeerError('malformed', 'neither text nor bytes');
    } catch (error) {
      this.close(error instanceof PeerError ? error.code : 'internal');
    }
  }

  /** A side closed, for whatever reason: the other gets what was received, then closes too. */
  lost(side: Side): void {
    const { client, exit } = this.#halves;
    const [half, other] = side === 'client' ? [client, exit] : [exit, client];
    half.state = 'closed';
    this.#finish('normal', other.state === 'open' ? LINGER_MS : ABORT_MS);
    if (client.state === 'closed' && exit.state === 'closed') this.#conclude();
  }

  /** Close both sides at once. */
  close(code: LinkCode): void {
    this.#finish(code, ABORT_MS);
  }

  /** Ask both sides to move off this link, and go on copying for at most `grace_ms`. */
  drain(grace_ms: number): void {
    if (!this.isOpen) return this.close('draining');
    for (const half of Object.values(this.#halves)) this.#send(half, control.DRAIN);
    clearTimeout(this.#timer);
    if (this.#end === null) this.#timer = setTimeout(() => this.close('draining'), grace_ms);
  }

  #copy(to: Side, data: ArrayBuffer): void {
    const half = this.#halves[to];
    if (data.byteLength > LINK_MESSAGE_BYTES) throw new PeerError('limit', 'a large message');
    if (half.state === 'open') return this.#send(half, data);
    half.waiting_bytes += data.byteLength;
    if (half.waiting_bytes > WAITING_BYTES) throw new PeerError('limit', 'much before opening');
    half.waiting.push(data);
  }

  #send(half: Half, data: string | ArrayBuffer): void {
    if (!half.port || half.state !== 'open' || this.#end !== null) return;
    try {
      half.port.send(data);
    } catch {
      // A channel that just closed, or whose browser-side buffer is full.
      return this.close('transport');
    }
    if (typeof data !== 'string') this.#events.carried(data.byteLength);
    if (half.port.bufferedAmount > BUFFERED_BYTES) this.close('limit');
  }

  #finish(code: LinkCode, linger_ms: number): void {
    if (this.#end !== null) return;
    this.#end = code;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#conclude(), linger_ms);
    for (const half of Object.values(this.#halves)) {
      clearTimeout(half.timer);
      half.waiting.length = half.waiting_bytes = 0;
      half.port?.close(code);
    }
    this.#events.changed();
  }

  #conclude(): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#events.over(this.#end ?? 'normal');
  }
}
