/** `<passerelle-switch>`: joins store, face and session to the life of an element. */

import { Problem } from '../core/fault';
import { parse } from '../core/invite';
import { LANES, SLOTS } from '../core/limits';
import type { Allowance } from '../core/report';
import { dispatch, INITIAL, isOn, type Event, type Snapshot } from '../core/store';
import * as consent from './consent';
import { Face } from './face';
import { mock } from './mock';
import { FriendProblem, Session } from './session';

const PEOPLE = 5;
const SLOWEST_MBIT = 0.1;

export class PasserelleSwitch extends HTMLElement {
  static readonly observedAttributes = ['network', 'people', 'lanes', 'mbit', 'mock'];

  readonly #face: Face;
  readonly #hide = () => {
    this.#session?.leave();
    this.stop();
  };
  #state = INITIAL;
  #session: Session | null = null;

  constructor() {
    super();
    this.#face = new Face(this.attachShadow({ mode: 'open' }), {
      press: () => this.#press(),
      agree: (remember) => this.#dispatch({ type: 'agree', remember }),
      refuse: () => this.#dispatch({ type: 'refuse' }),
    });
    this.#face.show(this.#state.snapshot);
  }

  /** What is going on; frozen, and replaced whenever it changes. */
  get snapshot(): Snapshot {
    return this.#state.snapshot;
  }

  /** Invite of the network. */
  get network(): string {
    return this.getAttribute('network') ?? '';
  }

  /** People helped at once, at most. */
  get people(): number {
    return this.#whole('people', PEOPLE, SLOTS);
  }

  /** Links of one person at once, at most. */
  get lanes(): number {
    return this.#whole('lanes', LANES, LANES);
  }

  /** 10⁶ bits relayed a second, at most; Infinity where no limit is set. */
  get mbit(): number {
    const given = Number.parseFloat(this.getAttribute('mbit') ?? '');
    return Number.isNaN(given) ? Infinity : Math.max(given, SLOWEST_MBIT);
  }

  /** Turn the switch on, which asks the visitor first unless they agreed before. */
  start(): void {
    const { phase } = this.snapshot;
    if (!isOn(phase) && phase !== 'consent') this.#press();
  }

  /** Turn the switch off; everything is closed within 1.5 s. */
  stop(): void {
    this.#dispatch({ type: 'stop' });
  }

  /** Take a text from a person who reaches no server, and return the one to send back.
   *
   * The switch must be on. Rejects with an Error whose `reason` is `off`, `text`, `refused` or
   * `timeout`.
   */
  helpFriend(text: string): Promise<string> {
    return this.#session?.help(text) ?? Promise.reject(new FriendProblem('off'));
  }

  connectedCallback(): void {
    globalThis.addEventListener('pagehide', this.#hide);
    document.addEventListener('freeze', this.#hide);
  }

  disconnectedCallback(): void {
    globalThis.removeEventListener('pagehide', this.#hide);
    document.removeEventListener('freeze', this.#hide);
    this.stop();
    this.#face.rest();
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after) return;
    if (name === 'mock') this.#mock(after);
    else if (name === 'network') this.#dispatch({ type: 'network' });
    else this.#session?.allow(this.#allowance);
  }

  get #allowance(): Allowance {
    return { people: this.people, lanes: this.lanes, mbit: this.mbit };
  }

  #whole(name: string, usual: number, most: number): number {
    const given = Number.parseInt(this.getAttribute(name) ?? '', 10);
    return given >= 1 ? Math.min(given, most) : usual;
  }

  #press(): void {
    if (!this.isConnected || this.hasAttribute('mock')) return;
    const remembered = consent.isRemembered(this.network);
    this.#dispatch({ type: 'press', remembered, problem: this.#fault() });
  }

  /** Show an invented state, and end a real one. */
  #mock(word: string | null): void {
    this.#face.mark(word !== null);
    if (word !== null) this.stop();
    this.#show();
  }

  #show(): void {
    const word = this.getAttribute('mock');
    this.#face.show(word === null ? this.#state.snapshot : mock(word));
  }

  #fault(): 'invite' | null {
    try {
      parse(this.network);
      return null;
    } catch (error) {
      if (error instanceof Problem) return 'invite';
      throw error;
    }
  }

  #dispatch(event: Event): void {
    const before = this.#state;
    const [state, effects] = dispatch(before, event);
    this.#state = state;
    if (state.snapshot !== before.snapshot) {
      this.#show();
      this.dispatchEvent(new CustomEvent('passerelle-change', { detail: state.snapshot }));
    }
    for (const effect of effects) {
      if (effect === 'begin') this.#begin();
      else if (effect === 'end') this.#session?.stop();
      else consent.remember(this.network);
    }
  }

  #begin(): void {
    const session = new Session(this.#allowance, {
      report: (report) => this.#dispatch({ type: 'report', report }),
      ended: (reason) => {
        this.#session = null;
        this.#dispatch({ type: 'ended', reason });
      },
    });
    this.#session = session;
    void session.start(this.network);
  }
}
