/** The conversation with a broker: one WebSocket that is held open, and opened again when it is lost. */

import { closeCode, PeerError, Problem, type Reason } from '../core/errors';
import type { RelayReport } from '../core/switch/report';
import { delay_s } from '../core/traffic/backoff';
import { encode as base64 } from '../core/wire/base64';
import type { Description } from '../core/wire/description';
import {
  decode,
  encode,
  SOFTWARE,
  VERSION,
  type BrokerBye,
  type Decline,
  type Demand,
  type BrokerFriendReply,
  type FromVolunteer,
  type NatClass,
  type BrokerOffer,
  type RateTicket,
} from '../core/wire/signalling';
import type { DescriptorSource } from './descriptor';
import { hostOf } from './exits';

/** The time from opening the socket to the broker's welcome. */
const WELCOME_MS = 10_000;

/** A broker shows in so many round trips that it is there, within bounds: on a slow network answers are late. */
const PONG_ROUND_TRIPS = 4;
const PONG_LEAST_MS = 1_000;
const PONG_MOST_MS = 5_000;

/** A broker that was lost is called so often with short waits: it restarts, which takes seconds. */
const RESTART_CALLS = 48;

/** Sends the reply to one offer. It sends nothing once the conversation that brought the offer is over. */
export interface OfferReply {
  answer(description: Description): void;
  decline(reason: Decline): void;
}

export interface BrokerEvents {
  /** Returns how many more people can be helped right now. */
  free(): number;
  /** Returns whether nobody is being helped, or about to be. */
  isIdle(): boolean;
  /** Returns the tag of the only family that is helped; '' to help everybody. */
  family(): Promise<string>;
  offer(offer: BrokerOffer, reply: OfferReply): void;
  /** The broker said where it believes this browser is, whether helping may be dangerous there, and where this browser
   * may find out how fast it is. */
  placed(country: string | null, caution: boolean, test: RateTicket | null): void;
  friend(reply: BrokerFriendReply): void;
  /** The broker said how many readers had to wait lately; null when it says nothing of them. */
  demand(demand: Demand | null): void;
  /** The state of the conversation changed. While retrying, `reason` and `retry_s` are set. */
  changed(state: RelayReport['broker'], reason: Reason | null, retry_s: number | null): void;
}

/** How a conversation with one broker ended. */
interface ConversationEnd {
  readonly reason: Reason;
  /** Whether the broker had welcomed this volunteer. */
  readonly welcomed: boolean;
  /** Seconds that the broker asked to wait; 0 when it named no time. */
  readonly retry_s: number;
  /** Whether to call again at once. */
  readonly again?: boolean;
}

export class BrokerConversation {
  readonly #network: DescriptorSource;
  readonly #events: BrokerEvents;
  readonly #signal: AbortSignal;
  /** Sends a message; null while no broker has welcomed this volunteer. */
  #send: ((message: FromVolunteer) => void) | null = null;
  /** The number of free places that the broker was told last. */
  #told = -1;
  /** Ends the current conversation so that the next one begins at once. */
  #renew: (() => void) | null = null;
  #nat: NatClass = 'unknown';
  /** The time between two heartbeats that the last broker asked for; 0 when it asked for none. */
  #heartbeat_s = 0;
  /** Hosts that the page's policy forbids. */
  readonly #forbidden = new Set<string>();

  constructor(network: DescriptorSource, events: BrokerEvents, signal: AbortSignal) {
    this.#network = network;
    this.#events = events;
    this.#signal = signal;
  }

  /** Stay in conversation until the signal aborts. Throws Problem when trying again is pointless. */
  async run(): Promise<void> {
    this.#events.changed('connecting', null, null);
    for (let attempt = 0; ; attempt++) {
      const parting = await this.#visit();
      if (this.#signal.aborted) return;
      if (parting.welcomed) attempt = this.#heartbeat_s && -RESTART_CALLS;
      if (parting.again) continue;
      // What a broker bears from all its volunteers as heartbeats, it bears as calls, too.
      const wait_s = parting.retry_s + delay_s(attempt, Math.random(), this.#heartbeat_s);
      this.#events.changed('retrying', parting.reason, wait_s);
      await pause(wait_s * 1000, this.#signal);
      if (this.#signal.aborted) return;
      this.#events.changed('retrying', parting.reason, 0);
    }
  }

  /** Tell the broker how many more people can be helped, if the number changed. */
  ready(): void {
    const free = this.#events.free();
    if (!this.#send || free === this.#told) return;
    this.#told = free;
    this.#send({ type: 'ready', free });
  }

  /** Call again at once, because the network under the open socket may be gone. */
  renew(): void {
    this.#renew?.();
  }

  /** Send a sealed request. Return false when no broker is connected. The reply comes as an event. */
  ask(id: number, request: Uint8Array): boolean {
    this.#send?.({ type: 'friend', id, request: base64(request) });
    return this.#send !== null;
  }

  /** The page's policy forbids `host`, so no broker there is called again. */
  forbid(host: string): void {
    this.#forbidden.add(host);
  }

  /** Tell the broker the class of this browser's NAT, if it changed. */
  tell(nat: NatClass): void {
    if (nat === this.#nat) return;
    this.#nat = nat;
    // Without a conversation, the next `hello` says it.
    if (!this.#send) return;
    this.#told = this.#events.free();
    this.#send({ type: 'ready', free: this.#told, nat });
  }

  #replyTo({ offer }: BrokerOffer, send: (message: FromVolunteer) => void): OfferReply {
    return {
      answer: (description) => {
        send({ type: 'answer', offer, description });
        // The broker may have taken a slot off for the answer although the last `ready` left it out.
        this.#told = this.#events.free();
        send({ type: 'ready', free: this.#told });
      },
      decline: (reason) => {
        send({ type: 'decline', offer, reason });
        // The broker makes no offer after this word until it is told of places anew.
        if (reason === 'busy') this.#told = 0;
      },
    };
  }

  /** Hold one conversation, with one of the network's brokers. */
  async #visit(): Promise<ConversationEnd> {
    try {
      const { brokers } = await this.#network.describe();
      const allowed = brokers.filter((url) => !this.#forbidden.has(hostOf(url)));
      if (allowed.length === 0) throw new Problem('policy');
      // A random broker each time spreads the volunteers, and soon leaves a broker that is down.
      const url = allowed[Math.floor(Math.random() * allowed.length)] ?? '';
      return await this.#converse(url, await this.#events.family());
    } catch (error) {
      if (error instanceof Problem && error.transient) {
        return { reason: error.reason, welcomed: false, retry_s: 0 };
      }
      throw error;
    }
  }

  #converse(url: string, family: string): Promise<ConversationEnd> {
    const { promise, resolve, reject } = withResolvers<ConversationEnd>();
    let socket: WebSocket;
    try {
      socket = new WebSocket(`${url.replace(/^http/i, 'ws')}/v1/volunteer`);
    } catch {
      // The broker is insecure and the page is secure, or the page's policy forbids this broker.
      return Promise.reject(new Problem('broker_unreachable', true));
    }
    let welcomed = false;
    const part = (reason: Reason, retry_s = 0, again = false) =>
      resolve({ reason, welcomed, retry_s, again });
    const lose = () => part('broker_unreachable');
    let timer = setTimeout(lose, WELCOME_MS);
    this.#renew = () => part('broker_unreachable', 0, true);
    this.#signal.addEventListener('abort', lose);
    let asked_ms = 0;
    /** How long nothing is heard before the broker is asked again while nobody is helped: each question wakes the
     * device. */
    let idle_s = 0;
    let patience_ms = PONG_MOST_MS;
    /** Measure the round trip by an answer, and wait accordingly for the next one. */
    const answered = () => {
      const waited_ms = PONG_ROUND_TRIPS * (performance.now() - asked_ms);
      patience_ms = Math.min(Math.max(PONG_LEAST_MS, waited_ms), PONG_MOST_MS);
    };
    /** Show whether the broker is still there: ask it at every heartbeat, and leave it if nothing comes back. */
    const beat = (isPong: boolean) => {
      clearTimeout(timer);
      if (!this.#heartbeat_s) return;
      const pause_s = isPong && this.#events.isIdle() ? idle_s : this.#heartbeat_s;
      timer = setTimeout(() => {
        asked_ms = performance.now();
        send({ type: 'ping' });
        timer = setTimeout(() => {
          this.#events.changed('connecting', null, null);
          this.#renew?.();
        }, patience_ms);
      }, pause_s * 1000);
    };
    const send = (message: FromVolunteer) => {
      if (socket.readyState === socket.OPEN) socket.send(encode(message));
    };
    socket.onopen = () => {
      // Nobody may come before the broker knows that only a family may.
      this.#told = family ? 0 : this.#events.free();
      asked_ms = performance.now();
      send({ type: 'hello', version: VERSION, software: SOFTWARE, free: this.#told, nat: this.#nat });
    };
    // Chromium says of a socket that the page's policy forbids that it failed, and not that it closed.
    socket.onerror = socket.onclose = lose;
    socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      try {
        const message = decode(data);
        if (welcomed) beat(message.type === 'pong');
        if (message.type === 'pong') {
          answered();
          this.ready();
          return this.#events.demand(message.demand ?? null);
        }
        if (message.type === 'bye') return leave(message, part, reject);
        if ((message.type === 'welcome') === welcomed) throw new PeerError('malformed', 'order');
        if (message.type === 'offer') return this.#events.offer(message, this.#replyTo(message, send));
        if (message.type === 'friend_reply') return this.#events.friend(message);
        welcomed = true;
        answered();
        this.#heartbeat_s = message.heartbeat_s ?? 0;
        idle_s = message.idle_s ?? this.#heartbeat_s;
        beat(false);
        this.#send = send;
        if (family) send({ type: 'family', family });
        this.#events.placed(message.country, message.caution, message.test);
        this.#events.changed('online', null, null);
        this.ready();
      } catch (error) {
        socket.close(closeCode(error instanceof PeerError ? error.code : 'internal'));
        part('broker_garbled');
      }
    };
    return promise.finally(() => {
      clearTimeout(timer);
      this.#signal.removeEventListener('abort', lose);
      this.#send = this.#renew = null;
      socket.onmessage = socket.onclose = socket.onerror = null;
      socket.close(1000);
    });
  }
}

const BYES: Readonly<Record<BrokerBye['reason'], Reason>> = {
  version: 'broker_version',
  malformed: 'broker_refused',
  restart: 'broker_restart',
  full: 'broker_full',
};

function leave(
  { reason, retry_after_s }: BrokerBye,
  part: (reason: Reason, retry_s: number) => void,
  reject: (problem: Problem) => void,
): void {
  if (retry_after_s === null) reject(new Problem(BYES[reason]));
  else part(BYES[reason], retry_after_s);
}

/** Wait `ms`, or until the machine is online again, or until the signal aborts. */
function pause(ms: number, signal: AbortSignal): Promise<unknown> {
  const { promise, resolve } = withResolvers<unknown>();
  const timer = setTimeout(resolve, ms);
  globalThis.addEventListener('online', resolve);
  signal.addEventListener('abort', resolve);
  return promise.finally(() => {
    clearTimeout(timer);
    globalThis.removeEventListener('online', resolve);
    signal.removeEventListener('abort', resolve);
  });
}

function withResolvers<T>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: Error) => void;
} {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
