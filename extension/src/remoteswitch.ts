/** The switch as a popup sees it: the one of the home, over a port. */

import type { Reason } from '../../widget/src/core/errors';
import { INITIAL, type Snapshot } from '../../widget/src/core/switch/store';
import { storedFigures, type ShownSwitch, type SwitchElement } from '../../widget/src/element/networkswitch';
import * as storage from '../../widget/src/element/site/storage';
import { api, say, type HomePort } from './api';
import * as choices from './choices';
import type { Act, Notice, Shown } from './messages';

/** How often the home is opened anew when it was closed in the same moment. */
const TRIES = 3;

export class RemoteSwitch implements ShownSwitch {
  readonly mayHide = false;
  readonly #network: string;
  readonly #elements = new Set<SwitchElement>();
  #port: HomePort | null = null;
  /** What the home said last; null while there is no home. */
  #shown: Shown | null = null;
  /** What was done before the home was there. */
  #waiting: Act[] = [];
  #isOpening = false;

  constructor(network: string) {
    this.#network = network;
    // A home that was opened by itself speaks first.
    api.runtime.onMessage.addListener((message) => {
      if ((message as Notice).type === 'sign' && !this.#port && !this.#isOpening) this.#connect(() => {});
      return undefined;
    });
  }

  get snapshot(): Snapshot {
    return this.#shown?.snapshot ?? Object.freeze({ ...INITIAL.snapshot, ...storedFigures() });
  }

  get isAgreed(): boolean {
    return this.#shown?.isAgreed ?? storage.holds('consent', this.#network);
  }

  join(element: SwitchElement): void {
    this.#elements.add(element);
    if (this.#port) return;
    this.#connect(() => {
      // Where no home speaks, the button may show what a home showed that is gone.
      if (!this.#shown) say({ type: 'sign', phase: 'off', people: 0 });
    });
  }

  leave(element: SwitchElement): void {
    this.#elements.delete(element);
  }

  asks(): boolean {
    return this.#shown?.asks ?? false;
  }

  press(): void {
    this.#do({ act: 'press' });
  }

  start(): void {
    this.#do({ act: 'start' });
  }

  stop(): void {
    this.#do({ act: 'stop' });
  }

  agree(remember: boolean): void {
    this.#do({ act: 'agree', remember });
  }

  refuse(): void {
    this.#do({ act: 'refuse' });
  }

  confirm(): void {
    this.#do({ act: 'confirm' });
  }

  bar(reason: Reason): void {
    this.#do({ act: 'bar', reason });
  }

  forget(): void {
    storage.removeAll();
    choices.forget();
    this.#do({ act: 'forget' });
  }

  /** The home hears itself of what is stored. */
  adjust(): void {}

  /** Friends' texts are pasted on a publisher's page. */
  helpFriend(): undefined {
    return undefined;
  }

  #do(act: Act): void {
    if (this.#shown) this.#port?.postMessage(act);
    else {
      this.#waiting.push(act);
      void this.#open();
    }
  }

  /** Have the home opened, and connect to it. */
  async #open(): Promise<void> {
    if (this.#isOpening) return;
    this.#isOpening = true;
    for (let tries = 0; tries < TRIES && !this.#shown; tries += 1) {
      await say({ type: 'open' });
      await new Promise<void>((resolve) => this.#connect(resolve));
    }
    this.#isOpening = false;
  }

  /** Connect to the home, if there is one. `settled` is called when it has spoken, or is not there. */
  #connect(settled: () => void): void {
    const port = api.runtime.connect({ name: 'popup' });
    this.#port = port;
    port.onMessage.addListener((message) => {
      this.#take(message as Shown);
      settled();
    });
    port.onDisconnect.addListener(() => {
      void api.runtime.lastError;
      if (this.#port === port) {
        this.#port = null;
        this.#take(null);
      }
      settled();
    });
  }

  #take(shown: Shown | null): void {
    this.#shown = shown;
    if (shown) for (const act of this.#waiting.splice(0)) this.#port?.postMessage(act);
    for (const element of this.#elements) element.show(this.snapshot, this.asks());
  }
}
