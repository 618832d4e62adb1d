/** The tabs of one site, which act as one switch: one leads, the others show what it does.
 *
 * The lead is a Web Lock, so that it passes on when its tab is closed or crashes; what tabs tell
 * each other goes over a BroadcastChannel. Where a page may have no locks, a tab leads when none
 * answers that it does. Where it may have no channel either, each tab is on its own.
 */

import type { Snapshot } from '../../core/switch/store';

/** For a tab that leads to answer. */
const ANSWER_MS = 250;

type Message =
  | { readonly type: 'ask' }
  | { readonly type: 'state'; readonly snapshot: Snapshot }
  | { readonly type: 'halt' }
  /** Who is visible, say so. */
  | { readonly type: 'roll' }
  | { readonly type: 'visible' };

export interface TabEvents {
  lead(): void;
  mirror(snapshot: Snapshot): void;
  halted(): void;
  /** Another tab is visible. */
  visible(): void;
}

export class Tabs {
  readonly #name: string;
  readonly #events: TabEvents;
  #channel: BroadcastChannel | null = null;
  #line: AbortController | null = null;
  #release: (() => void) | null = null;
  #leads = false;
  #hasAnswer = false;
  /** What the others should show, while this tab leads. */
  #snapshot: Snapshot | null = null;

  constructor(network: string, events: TabEvents) {
    this.#name = `passerelle ${network}`;
    this.#events = events;
  }

  /** Listen to the other tabs, and learn whether one leads. */
  open(): void {
    if (this.#channel) return;
    try {
      this.#channel = new BroadcastChannel(this.#name);
      this.#channel.onmessage = ({ data }: MessageEvent<Message>) => this.#hear(data);
    } catch {
      // Not allowed here.
    }
    this.#send({ type: 'ask' });
  }

  /** Leave without a word: who waits in line takes over. */
  close(): void {
    this.#channel?.close();
    this.#channel = null;
    this.yield();
  }

  claim(): void {
    this.yield();
    const line = new AbortController();
    this.#line = line;
    const lead = () => {
      if (line.signal.aborted) return undefined;
      this.#leads = true;
      this.#events.lead();
      return new Promise<void>((resolve) => (this.#release = resolve));
    };
    // Not through a promise where there are none: `locks` is missing on pages that are not secure.
    const asked = navigator.locks?.request(this.#name, { signal: line.signal }, lead);
    if (!asked) return this.#claimAlone(line.signal, lead);
    asked.catch((error: unknown) => {
      if ((error as Error).name !== 'AbortError') this.#claimAlone(line.signal, lead);
    });
    this.#send({ type: 'ask' });
  }

  yield(): void {
    this.#line?.abort();
    this.#release?.();
    this.#line = this.#release = this.#snapshot = null;
    this.#leads = false;
  }

  /** Show the others what is going on; only the tab that leads has a say. */
  tell(snapshot: Snapshot): void {
    if (!this.#leads) return;
    this.#snapshot = snapshot;
    this.#send({ type: 'state', snapshot });
  }

  halt(): void {
    this.#send({ type: 'halt' });
  }

  /** Ask who is visible. */
  roll(): void {
    this.#send({ type: 'roll' });
  }

  /** Say that this tab is visible. */
  appear(): void {
    this.#send({ type: 'visible' });
  }

  #claimAlone(signal: AbortSignal, lead: () => void): void {
    this.#hasAnswer = false;
    this.#send({ type: 'ask' });
    const timer = setTimeout(() => this.#hasAnswer || lead(), ANSWER_MS);
    signal.addEventListener('abort', () => clearTimeout(timer));
  }

  #send(message: Message): void {
    this.#channel?.postMessage(message);
  }

  #hear(message: Message): void {
    switch (message?.type) {
      case 'ask':
        if (this.#snapshot) this.#send({ type: 'state', snapshot: this.#snapshot });
        return;
      case 'state':
        this.#hasAnswer = true;
        return this.#events.mirror(message.snapshot);
      case 'halt':
        return this.#events.halted();
      case 'roll':
        if (!document.hidden) this.appear();
        return;
      case 'visible':
        return this.#events.visible();
    }
  }
}
