/** The tabs of one site, which act as one switch: one tab leads, and the others show what it does.
 *
 * The tab that holds a Web Lock leads, so the lead passes on when that tab is closed or crashes. Tabs talk
 * over a BroadcastChannel. Where a page may not use locks, a tab leads if no other tab answers that it
 * leads. Where it may not use the channel either, each tab is on its own.
 *
 * Every page of the site can use the same channel and the same lock. So what comes in is read like a stranger's
 * message, and to be next in line is no consent.
 */

import type { Snapshot } from '../../core/switch/store';
import { readTold } from '../../core/switch/told';

/** The time in which a leading tab answers. */
const ANSWER_MS = 250;

/** What tabs tell each other. */
type Message =
  /** Asks the leading tab what it shows. */
  | { readonly type: 'ask' }
  /** What the leading tab shows. */
  | { readonly type: 'state'; readonly snapshot: Snapshot }
  /** The visitor stops everything. */
  | { readonly type: 'halt' }
  /** Asks which tabs are visible. */
  | { readonly type: 'roll' }
  /** The answer of a tab that is visible. */
  | { readonly type: 'visible' };

export interface TabEvents {
  /** This tab is next to lead. One that may not lead calls `yield`. */
  lead(): void;
  /** The leading tab shows `snapshot`. */
  mirror(snapshot: Snapshot): void;
  /** The visitor stopped everything in another tab. */
  halted(): void;
  /** Another tab is visible. */
  visible(): void;
}

export class Tabs {
  readonly #name: string;
  readonly #events: TabEvents;
  #channel: BroadcastChannel | null = null;
  /** Aborts when this tab leaves the line. */
  #line: AbortController | null = null;
  /** Releases the lock. */
  #release: (() => void) | null = null;
  #leads = false;
  /** Whether another tab answered that it leads. */
  #hasAnswer = false;
  /** What this tab shows, while it leads. */
  #snapshot: Snapshot | null = null;

  constructor(network: string, events: TabEvents) {
    this.#name = `passerelle ${network}`;
    this.#events = events;
  }

  /** Listen to the other tabs, and ask whether one leads. */
  open(): void {
    if (this.#channel) return;
    try {
      this.#channel = new BroadcastChannel(this.#name);
      this.#channel.onmessage = ({ data }: MessageEvent<unknown>) => this.#hear(data);
    } catch {
      // The page may not use it.
    }
    this.#send({ type: 'ask' });
  }

  /** Leave without a word. A tab that waits in line takes over. */
  close(): void {
    this.#channel?.close();
    this.#channel = null;
    this.yield();
  }

  /** Stand in line to lead. */
  claim(): void {
    this.yield();
    const line = new AbortController();
    this.#line = line;
    const lead = () => {
      if (line.signal.aborted) return undefined;
      this.#leads = true;
      this.#events.lead();
      // A tab that may not lead has left the line by now.
      if (line.signal.aborted) return undefined;
      return new Promise<void>((resolve) => (this.#release = resolve));
    };
    // `locks` is missing on insecure pages.
    const asked = navigator.locks?.request(this.#name, { signal: line.signal }, lead);
    if (!asked) return this.#claimAlone(line.signal, lead);
    asked.catch((error: unknown) => {
      if ((error as Error).name !== 'AbortError') this.#claimAlone(line.signal, lead);
    });
    this.#send({ type: 'ask' });
  }

  /** Leave the line, or give up the lead. */
  yield(): void {
    this.#line?.abort();
    this.#release?.();
    this.#line = this.#release = this.#snapshot = null;
    this.#leads = false;
  }

  /** Tell the other tabs what this tab shows. Nothing is told unless this tab leads. */
  tell(snapshot: Snapshot): void {
    if (!this.#leads) return;
    this.#snapshot = snapshot;
    this.#send({ type: 'state', snapshot });
  }

  /** Stop everything in all tabs. */
  halt(): void {
    this.#send({ type: 'halt' });
  }

  /** Ask which tabs are visible. */
  roll(): void {
    this.#send({ type: 'roll' });
  }

  /** Say that this tab is visible. */
  appear(): void {
    this.#send({ type: 'visible' });
  }

  /** Lead if no other tab answers that it leads. */
  #claimAlone(signal: AbortSignal, lead: () => void): void {
    this.#hasAnswer = false;
    this.#send({ type: 'ask' });
    const timer = setTimeout(() => this.#hasAnswer || lead(), ANSWER_MS);
    signal.addEventListener('abort', () => clearTimeout(timer));
  }

  #send(message: Message): void {
    this.#channel?.postMessage(message);
  }

  #hear(data: unknown): void {
    const { type, snapshot } = Object(data) as { type: unknown; snapshot: unknown };
    const told = type === 'state' ? readTold(snapshot) : null;
    switch (type) {
      case 'ask':
        if (this.#snapshot) this.#send({ type: 'state', snapshot: this.#snapshot });
        return;
      case 'state':
        if (!told) return;
        this.#hasAnswer = true;
        return this.#events.mirror(told);
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
