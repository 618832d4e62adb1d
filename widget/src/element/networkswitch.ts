/** The one switch of a page for one network, which any number of elements show.
 *
 * It carries out what the store decides, with the site's other tabs and with the engine.
 */

import { reasonOf, type Reason } from '../core/errors';
import { NOTHING, read as readFigures, type Figures } from '../core/switch/figures';
import type { SwitchSettings } from '../core/switch/settings';
import {
  dispatch,
  INITIAL,
  isOn,
  type Snapshot,
  type SwitchEffect,
  type SwitchEvent,
  type SwitchState,
} from '../core/switch/store';
import { clean } from '../core/wire/pasted';
import { importFile } from './files/files';
import { isFramed } from './site/frame';
import * as storage from './site/storage';
import { Tabs } from './site/tabs';
import type { Engine } from './work/engine';

/** An element, as the switch that it shows knows it. */
export interface SwitchElement {
  /** The settings that the element asks for. Those of the element that came first are in force. */
  readonly settings: SwitchSettings;
  /** Show `snapshot`. `asks` says that this element asks the visitor's questions. */
  show(snapshot: Snapshot, asks: boolean): void;
}

/** What an element shows and presses: the page's own switch, or one that runs elsewhere. */
export type ShownSwitch = Pick<
  NetworkSwitch,
  | 'mayHide'
  | 'snapshot'
  | 'isAgreed'
  | 'join'
  | 'leave'
  | 'asks'
  | 'press'
  | 'bar'
  | 'agree'
  | 'refuse'
  | 'confirm'
  | 'start'
  | 'stop'
  | 'helpFriend'
  | 'adjust'
  | 'forget'
>;

/** A rough check, to notice a mistake in the page before the visitor is asked. The relay checks exactly. */
export const LIKE_INVITE = /https?:\/\/[^#\s]+(#|%23)[\w-]{43}_?(?![\w-])/i;
/** The time in which other tabs say that they are visible. */
const ROLL_MS = 500;

/** The time in which an element that was taken out of the page may come back. Frameworks that keep an element
 * from one page to the next, or move it, may leave it outside for a few turns of the event loop. */
const MOVE_MS = 100;

/** The switches of this page, by their networks. */
const switches = new Map<string, NetworkSwitch>();

export class NetworkSwitch {
  readonly network: string;
  /** Whether the visitor may be looking at something else while it is on, as in a tab behind another. */
  readonly mayHide: boolean = true;
  readonly #elements = new Set<SwitchElement>();
  readonly #tabs: Tabs;
  /** Aborts the listeners on the page; null while no element shows this switch. */
  #page: AbortController | null = null;
  #state: SwitchState = INITIAL;
  #shown: Snapshot = INITIAL.snapshot;
  #engine: Engine | null = null;
  #leaving: ReturnType<typeof setTimeout> | undefined;
  /** The element that was pressed last. */
  #asker: SwitchElement | null = null;
  /** Whether another tab said that it is visible, after this one was hidden. */
  #isSeen = false;
  /** Whether the visitor wants the site to remember that they agreed. */
  #remembers = false;
  /** Whether the visitor confirmed on this page that they help although it may be dangerous. */
  #confirmed = false;

  /** Return this page's switch for `given`, which may be any text. */
  static of(given: string): NetworkSwitch {
    // What nobody sees in an invite makes no other network of it.
    const network = clean(given);
    let known = switches.get(network);
    if (!known) switches.set(network, (known = new NetworkSwitch(network)));
    return known;
  }

  private constructor(network: string) {
    this.network = network;
    this.#tabs = new Tabs(network, {
      lead: () => void this.#lead(),
      mirror: (snapshot) => this.#dispatch({ type: 'mirror', snapshot }),
      halted: () => this.#dispatch({ type: 'halted' }),
      visible: () => {
        this.#isSeen = true;
        this.#check();
      },
    });
    this.#dispatch({ type: 'figures', figures: storedFigures() });
  }

  get snapshot(): Snapshot {
    return this.#state.snapshot;
  }

  /** Let `element` show this switch. */
  join(element: SwitchElement): void {
    this.#elements.add(element);
    clearTimeout(this.#leaving);
    if (this.#page) return;
    this.#page = new AbortController();
    const { signal } = this.#page;
    globalThis.addEventListener('pagehide', () => this.#leavePage(), { signal });
    document.addEventListener('freeze', () => this.#leavePage(), { signal });
    // The page comes back out of the back-forward cache.
    globalThis.addEventListener('pageshow', ({ persisted }) => persisted && this.#tabs.open(), { signal });
    document.addEventListener('resume', () => this.#tabs.open(), { signal });
    document.addEventListener('visibilitychange', () => this.#visibilityChanged(), { signal });
    // Another tab stored choices of the visitor.
    globalThis.addEventListener(
      'storage',
      (event) => {
        storage.heard(event);
        this.adjust();
      },
      { signal },
    );
    this.#tabs.open();
  }

  /** `element` shows this switch no more. Without elements the switch turns itself off, unless one comes back
   * soon. */
  leave(element: SwitchElement): void {
    this.#elements.delete(element);
    clearTimeout(this.#leaving);
    this.#leaving = setTimeout(() => {
      if (this.#elements.size > 0 || !this.#page) return;
      this.#page.abort();
      this.#page = null;
      // `stop` would stop the other tabs too.
      this.#dispatch({ type: 'halted' });
      this.#clear();
    }, MOVE_MS);
  }

  /** Return whether `element` asks the visitor a question now. Only one element asks: the one that was
   * pressed last, or the first one if that is gone. */
  asks(element: SwitchElement): boolean {
    const { phase, elsewhere } = this.snapshot;
    const asker = this.#asker && this.#elements.has(this.#asker) ? this.#asker : [...this.#elements][0];
    return element === asker && !elsewhere && (phase === 'consent' || phase === 'caution');
  }

  /** The visitor pressed the switch in `element`. */
  press(element: SwitchElement): void {
    this.#asker = element;
    const remembered = this.#isRemembered;
    this.#remembers ||= remembered;
    this.#dispatch({ type: 'press', remembered, problem: this.#problem() });
  }

  /** Whether the next press turns the switch on without a question. */
  get isAgreed(): boolean {
    const { wanted, asks, agreed } = this.#state;
    return !wanted && !asks && (agreed || this.#isRemembered) && !this.#problem();
  }

  get #isRemembered(): boolean {
    return storage.holds('consent', this.network);
  }

  /** The switch may not be on in this page, for `reason`. */
  bar(reason: Reason): void {
    this.#dispatch({ type: 'barred', reason });
  }

  /** Return why there is no point in asking the visitor; null when there is none that can be known so far. */
  #problem(): Reason | null {
    if (!LIKE_INVITE.test(this.network)) return 'invite';
    if (!isSecureContext) return 'insecure';
    if (isFramed()) return 'framed';
    return 'RTCPeerConnection' in globalThis ? null : 'no_webrtc';
  }

  agree(remember: boolean): void {
    this.#remembers = remember;
    this.#dispatch({ type: 'agree', remember });
  }

  refuse(): void {
    this.#dispatch({ type: 'refuse' });
  }

  confirm(): void {
    this.#dispatch({ type: 'confirm' });
  }

  start(element: SwitchElement): void {
    const { phase } = this.snapshot;
    if (!isOn(phase) && phase !== 'consent') this.press(element);
  }

  stop(): void {
    this.#dispatch({ type: 'stop' });
  }

  /** Return the answer to a reader's text; undefined when this tab runs no relay. */
  helpFriend(text: string): Promise<string> | undefined {
    return this.#engine?.help(text);
  }

  /** Take settings of an element, or choices of the visitor, that may have changed. */
  adjust(): void {
    if (this.#state.role === 'leader') this.#engine?.adjust();
  }

  /** Turn every switch of this page off, and delete everything that is stored on this site. */
  forget(): void {
    for (const one of switches.values()) {
      one.stop();
      storage.removeAll();
      one.#remembers = one.#confirmed = false;
      one.#engine?.forget();
      one.#dispatch({ type: 'forget' });
      one.#dispatch({ type: 'figures', figures: storedFigures() });
    }
  }

  /** The page is being left, for good or into the back-forward cache, so there is no time for people to move. */
  #leavePage(): void {
    this.#engine?.leave();
    // The tabs are left before anything is dispatched, so a tab in line takes over instead of turning off.
    this.#tabs.close();
    this.#dispatch({ type: 'halted' });
  }

  #visibilityChanged(): void {
    this.#isSeen = false;
    if (!document.hidden) {
      if (this.snapshot.elsewhere) this.#tabs.appear();
      return this.#check();
    }
    if (this.#state.role !== 'leader') return;
    this.#tabs.roll();
    setTimeout(() => this.#check(), ROLL_MS);
  }

  #check(): void {
    if (this.#state.role === 'leader') this.#engine?.check();
  }

  /** Lead from now on, if the visitor agreed. Reasons to pause are looked for before the relay may start. */
  async #lead(): Promise<void> {
    const remembered = !this.#problem() && this.#isRemembered;
    // The next tab in line may be one where the visitor agreed.
    if (!this.#state.agreed && !remembered) this.#tabs.yield();
    else if (!(await this.#prepare())) return;
    this.#dispatch({ type: 'lead', remembered });
  }

  /** Get ready to lead. Return false when it is not possible, which the visitor is told. */
  async #prepare(): Promise<boolean> {
    try {
      this.#engine ??= await this.#load();
      await this.#engine.watch();
      if (this.#state.role === 'none') this.#engine.rest();
      return true;
    } catch (error) {
      this.#dispatch({ type: 'failed', reason: reasonOf(error) });
      return false;
    }
  }

  async #load(): Promise<Engine> {
    const module = await importFile<typeof import('./work/engine')>('engine');
    const own = this;
    return new module.Engine({
      invite: this.network,
      storage: { get: storage.get, set: storage.set, today: storage.today },
      get settings() {
        return [...own.#elements][0]?.settings;
      },
      get isHidden() {
        return document.hidden && !own.#isSeen;
      },
      // Figures are the site's, so every switch of the page shows the same.
      figures: (figures) => switches.forEach((one) => one.#dispatch({ type: 'figures', figures })),
      pause: (pause) => this.#dispatch({ type: 'pause', pause }),
      report: (report) => this.#dispatch({ type: 'report', report }),
      ended: (reason) => {
        this.#dispatch({ type: 'ended', reason });
        if (!this.#page) this.#clear();
      },
    });
  }

  /** No element is left. Forget this switch once nothing runs. */
  #clear(): void {
    if (this.#state.relay !== 'none') return;
    this.#tabs.close();
    switches.delete(this.network);
  }

  #dispatch(event: SwitchEvent): void {
    const [state, effects] = dispatch(this.#state, event);
    this.#state = state;
    for (const effect of effects) this.#carryOut(effect);
    // An effect may have dispatched another event. Only the newest snapshot is shown, and only once.
    const { snapshot } = this.#state;
    if (snapshot === this.#shown) return;
    this.#shown = snapshot;
    this.#tabs.tell(snapshot);
    for (const element of this.#elements) element.show(snapshot, this.asks(element));
  }

  #carryOut(effect: SwitchEffect): void {
    switch (effect) {
      case 'claim':
        return this.#tabs.claim();
      case 'yield':
        this.#engine?.rest();
        this.#tabs.tell(this.#state.snapshot);
        return this.#tabs.yield();
      case 'halt':
        return this.#tabs.halt();
      case 'begin':
        return this.#engine?.begin(this.#confirmed || storage.holds('caution', this.network));
      case 'end':
        return this.#engine?.end();
      case 'confirm':
        this.#confirmed = true;
        if (this.#remembers) storage.add('caution', this.network);
        return this.#engine?.confirm();
      case 'remember':
        return storage.add('consent', this.network);
    }
  }
}

/** Return the figures that are stored on this site. */
export function storedFigures(): Figures {
  const { today, ever } = readFigures(storage.get('figures'), storage.today());
  return Object.freeze({ totals: NOTHING, today, ever });
}
