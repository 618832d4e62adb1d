/** Readers' texts that the visitor pasted: each goes to the broker, and the broker's reply comes back. */

import type { FriendFailure } from '../core/errors';
import { decode } from '../core/wire/base64';
import { readAsk, writeAnswer } from '../core/wire/friend';
import type { BrokerFriendReply } from '../core/wire/signalling';
import type { RelayToPage } from './messages';

/** The broker answers within five seconds. It may also wait a little for a volunteer with a free place. */
const REPLY_MS = 15_000;

export interface FriendRequestsEvents {
  /** Hand a sealed request to the broker. Returns false when no broker is connected. */
  ask(id: number, request: Uint8Array): boolean;
  /** Tell the page what became of a text. */
  post(message: RelayToPage): void;
}

export class FriendRequests {
  readonly #events: FriendRequestsEvents;
  /** The timers of the requests that wait for the broker, by their ids. */
  readonly #waiting = new Map<number, ReturnType<typeof setTimeout>>();

  constructor(events: FriendRequestsEvents) {
    this.#events = events;
  }

  /** Answer `text`. The page gave it the number `id`. */
  async help(id: number, text: string): Promise<void> {
    const request = await readAsk(text);
    if (!request) return this.#fail(id, 'text');
    if (!this.#events.ask(id, request)) return this.#fail(id, 'off');
    this.#waiting.set(
      id,
      setTimeout(() => this.#fail(id, 'timeout'), REPLY_MS),
    );
  }

  /** Take the broker's reply. */
  async replied({ id, reply }: BrokerFriendReply): Promise<void> {
    if (!this.#waiting.has(id)) return;
    const sealed = reply === null ? null : decode(reply);
    if (!sealed) return this.#fail(id, 'refused');
    this.#settle(id);
    this.#events.post({ type: 'friend_answer', id, text: await writeAnswer(sealed) });
  }

  /** Give up every request that waits. */
  stop(): void {
    for (const id of [...this.#waiting.keys()]) this.#fail(id, 'off');
  }

  #fail(id: number, reason: FriendFailure): void {
    this.#settle(id);
    this.#events.post({ type: 'friend_failed', id, reason });
  }

  #settle(id: number): void {
    clearTimeout(this.#waiting.get(id));
    this.#waiting.delete(id);
  }
}
