/** Readers' texts that the visitor pasted, on their way to the broker and back. */

import { decode } from '../core/wire/base64';
import { readAsk, writeAnswer } from '../core/wire/friend';
import type { FriendFailure, RelayToPage } from '../core/switch/report';
import type { BrokerFriendReply } from '../core/wire/signalling';

/** The broker answers within five seconds, and waits a little for a free place. */
const REPLY_MS = 15_000;

export class FriendRequests {
  readonly #post: (message: RelayToPage) => void;
  readonly #waiting = new Map<number, ReturnType<typeof setTimeout>>();

  constructor(post: (message: RelayToPage) => void) {
    this.#post = post;
  }

  /** Answer `text`; `ask` hands a sealed request to the broker, and is false where none is there. */
  async help(
    id: number,
    text: string,
    ask: (request: Uint8Array) => boolean,
  ): Promise<void> {
    const request = await readAsk(text);
    if (!request) return this.#fail(id, 'text');
    if (!ask(request)) return this.#fail(id, 'off');
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
    this.#post({ type: 'friend_answer', id, text: await writeAnswer(sealed) });
  }

  /** Give up whatever waits. */
  stop(): void {
    for (const id of [...this.#waiting.keys()]) this.#fail(id, 'off');
  }

  #fail(id: number, fault: FriendFailure): void {
    this.#settle(id);
    this.#post({ type: 'friend_fault', id, fault });
  }

  #settle(id: number): void {
    clearTimeout(this.#waiting.get(id));
    this.#waiting.delete(id);
  }
}
