/** The conversation with a broker: one WebSocket held open, and coming back when it is lost. */

import { delay_s } from '../core/traffic/backoff';
import { encode as base64 } from '../core/wire/base64';
import { closeCode, PeerError, Problem, type Reason } from '../core/errors';
import {
  decode,
  encode,
  SOFTWARE,
  VERSION,
  type BrokerBye,
  type Decline,
  type BrokerFriendReply,
  type FromVolunteer,
  type NatClass,
  type BrokerOffer,
} from '../core/wire/signalling';
import type { Description } from '../core/wire/description';
import type { RelayReport } from '../core/switch/report';
import type { DescriptorSource } from './descriptor';

/** From opening the socket to the broker's welcome. */
const WELCOME_MS = 10_000;

/** Where the answer to one offer goes; silent once its conversation is over. */
export interface OfferReply {
  answer(description: Description): void;
  decline(reason: Decline): void;
}

export interface BrokerEvents {
  /** How many more people can be helped right now. */
  free(): number;
  offer(offer: BrokerOffer, reply: OfferReply): void;
  /** Where this browser seems to be, and whether helping may be dangerous there. */
  placed(country: string | null, caution: boolean): void;
  friend(reply: BrokerFriendReply): void;
  changed(state: RelayReport['broker'], reason: Reason | null, retry_s: number | null): void;
}

/** How a conversation ended: why, and when to come back if the broker named a time. */
interface ConversationEnd {
  readonly reason: Reason;
  readonly welcomed: boolean;
  readonly retry_s: number;
  /** Whether to call again at once. */
  readonly again?: boolean;
}

export class BrokerConversation {
  readonly #network: DescriptorSource;
  readonly #events: BrokerEvents;
  readonly #signal: AbortSignal;
  #send: ((message: FromVolunteer) => void) | null = null;
  #told = -1;
  #renew: (() => void) | null = null;
  #nat: NatClass = 'unknown';

  constructor(network: DescriptorSource, events: BrokerEvents, signal: AbortSignal) {
    this.#network = network;
    this.#events = events;
    this.#signal = signal;
  }

  /** Stay in conversation until the signal aborts. Throws Problem when there is no point. */
  async run(): Promise<void> {
    this.#events.changed('connecting', null, null);
    for (let attempt = 0; ; attempt++) {
      const parting = await this.#visit();
      if (this.#signal.aborted) return;
      if (parting.welcomed) attempt = 0;
      if (parting.again) continue;
      const wait_s = parting.retry_s + delay_s(attempt, Math.random());
      this.#events.changed('retrying', parting.reason, wait_s);
      await pause(wait_s * 1000, this.#signal);
      if (this.#signal.aborted) return;
      this.#events.changed('retrying', parting.reason, 0);
    }
  }

  /** Tell the broker how many more people can be helped, if that changed. */
  ready(): void {
    const free = this.#events.free();
    if (!this.#send || free === this.#told) return;
    this.#told = free;
    this.#send({ type: 'ready', free });
  }

  /** Call again at once: what the last conversation went through may be gone. */
  renew(): void {
    this.#renew?.();
  }

  /** Hand on a sealed request; false where no broker is there. The reply comes as an event. */
  ask(id: number, request: Uint8Array): boolean {
    this.#send?.({ type: 'friend', id, request: base64(request) });
    return this.#send !== null;
  }

  /** Tell the broker what NAT this browser is behind, if that is news. */
  tell(nat: NatClass): void {
    if (nat === this.#nat) return;
    this.#nat = nat;
    if (!this.#send) return; // the next hello says it
    this.#told = this.#events.free();
    this.#send({ type: 'ready', free: this.#told, nat });
  }

  async #visit(): Promise<ConversationEnd> {
    try {
      const { brokers } = await this.#network.describe();
      // Any of them, each time: volunteers spread out, and one that is down is left soon.
      return await this.#converse(brokers[Math.floor(Math.random() * brokers.length)] ?? '');
    } catch (error) {
      if (error instanceof Problem && error.transient) {
        return { reason: error.reason, welcomed: false, retry_s: 0 };
      }
      throw error;
    }
  }

  #converse(url: string): Promise<ConversationEnd> {
    const { promise, resolve, reject } = withResolvers<ConversationEnd>();
    let socket: WebSocket;
    try {
      socket = new WebSocket(`${url.replace(/^http/i, 'ws')}/v1/volunteer`);
    } catch {
      // An insecure broker on a secure page, or a page whose policy forbids it.
      return Promise.reject(new Problem('broker_unreachable', true));
    }
    let welcomed = false;
    const part = (reason: Reason, retry_s = 0) => resolve({ reason, welcomed, retry_s });
    const timer = setTimeout(() => part('broker_unreachable'), WELCOME_MS);
    const stop = () => part('broker_unreachable');
    this.#renew = () => resolve({ reason: 'broker_unreachable', welcomed, retry_s: 0, again: true });
    this.#signal.addEventListener('abort', stop);
    const send = (message: FromVolunteer) => {
      if (socket.readyState === socket.OPEN) socket.send(encode(message));
    };
    socket.onopen = () => {
      this.#told = this.#events.free();
      send({ type: 'hello', version: VERSION, software: SOFTWARE, free: this.#told, nat: this.#nat });
    };
    socket.onclose = () => part('broker_unreachable');
    socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      try {
        const message = decode(data);
        if (message.type === 'bye') return leave(message, part, reject);
        if ((message.type === 'welcome') === welcomed) throw new PeerError('malformed', 'order');
        if (message.type === 'offer') return this.#events.offer(message, replyTo(message, send));
        if (message.type === 'friend_reply') return this.#events.friend(message);
        welcomed = true;
        clearTimeout(timer);
        this.#send = send;
        this.#events.placed(message.country, message.caution);
        this.#events.changed('online', null, null);
        this.ready();
      } catch (error) {
        socket.close(closeCode(error instanceof PeerError ? error.code : 'internal'));
        part('broker_garbled');
      }
    };
    return promise.finally(() => {
      clearTimeout(timer);
      this.#signal.removeEventListener('abort', stop);
      this.#send = this.#renew = null;
      socket.onmessage = socket.onclose = null;
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

function replyTo({ offer }: BrokerOffer, send: (message: FromVolunteer) => void): OfferReply {
  return {
    answer: (description) => send({ type: 'answer', offer, description }),
    decline: (reason) => send({ type: 'decline', offer, reason }),
  };
}

/** Wait, but no longer than until the machine is online again. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const done = () => resolve();
  globalThis.addEventListener('online', done);
  signal.addEventListener('abort', done);
  return promise.finally(() => {
    clearTimeout(timer);
    globalThis.removeEventListener('online', done);
    signal.removeEventListener('abort', done);
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
