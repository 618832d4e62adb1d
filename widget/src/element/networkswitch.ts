/** The one switch of a page for one network, shown by any number of elements.
 *
 * Carries out what the store decides, by way of the site's other tabs and of the engine.
 */

import type { SwitchSettings } from '../core/switch/settings';
import { dispatch, INITIAL, isOn, type SwitchEffect, type SwitchEvent, type Figures, type Snapshot, type SwitchState } from '../core/switch/store';
import { NOTHING, read as readTally } from '../core/switch/figures';
import type { Engine } from './work/engine';
import * as keep from './site/storage';
import { fetchFile, importFile } from './site/files';
import { Tabs } from './site/tabs';

/** An element, as its bridge knows it. */
export interface SwitchElement {
  /** What it asks for; those of the view that came first count. */
  readonly settings: SwitchSettings;
  /** `asks`: questions to the visitor are asked here. */
  show(snapshot: Snapshot, asks: boolean): void;
}

/** Enough to know a page's mistake before anybody is asked; the relay looks closely. */
const LIKE_INVITE = /^\s*https?:\/\/[^#]+#[\w-]{43}\s*$/i;
/** For other tabs to say that they are visible. */
const ROLL_MS = 500;

const bridges = new Map<string, NetworkSwitch>();

export class NetworkSwitch {
  readonly network: string;
  readonly #views = new Set<SwitchElement>();
  readonly #tabs: Tabs;
  /** Of what is listened to while any element shows this. */
  #page: AbortController | null = null;
  #state: SwitchState = INITIAL;
  #shown: Snapshot = INITIAL.snapshot;
  #engine: Engine | null = null;
  #asker: SwitchElement | null = null;
  /** Another tab said that it is visible, after this one was hidden. */
  #isSeen = false;
  #remembers = false;
  #confirmed = false;

  /** The bridge of `network`, whatever that text is. */
  static of(network: string): NetworkSwitch {
    let bridge = bridges.get(network);
    if (!bridge) bridges.set(network, (bridge = new NetworkSwitch(network)));
    return bridge;
  }

  private constructor(network: string) {
    this.network = network;
    this.#tabs = new Tabs(network, {
      lead: () => void this.#lead(),
      mirror: (snapshot) => this.#dispatch({ type: 'mirror', snapshot }),
      halted: () => this.#dispatch({ type: 'halted' }),
      visible: () => {
        this.#isSeen = true;
        this.#look();
      },
    });
    this.#dispatch({ type: 'figures', figures: kept() });
  }

  get snapshot(): Snapshot {
    return this.#state.snapshot;
  }

  join(view: SwitchElement): void {
    this.#views.add(view);
    if (this.#page) return;
    this.#page = new AbortController();
    const { signal } = this.#page;
    globalThis.addEventListener('pagehide', () => this.#hide(), { signal });
    document.addEventListener('freeze', () => this.#hide(), { signal });
    // Out of the back-forward cache.
    globalThis.addEventListener('pageshow', ({ persisted }) => persisted && this.#tabs.open(), { signal });
    document.addEventListener('resume', () => this.#tabs.open(), { signal });
    document.addEventListener('visibilitychange', () => this.#turn(), { signal });
    // Another tab wrote the visitor's choices.
    globalThis.addEventListener('storage', () => this.adjust(), { signal });
    this.#tabs.open();
  }

  /** An element that only moves within the page comes back before this has an effect. */
  leave(view: SwitchElement): void {
    this.#views.delete(view);
    queueMicrotask(() => {
      if (this.#views.size > 0 || !this.#page) return;
      this.#page.abort();
      this.#page = null;
      // Not `stop`: other tabs go on.
      this.#dispatch({ type: 'halted' });
      this.#clear();
    });
  }

  /** Tell whether something is asked now, and in this view: the one that was pressed. */
  asks(view: SwitchElement): boolean {
    const { phase, elsewhere } = this.snapshot;
    const asker = this.#asker && this.#views.has(this.#asker) ? this.#asker : [...this.#views][0];
    return view === asker && !elsewhere && (phase === 'consent' || phase === 'caution');
  }

  press(view: SwitchElement): void {
    this.#asker = view;
    const remembered = keep.get('consent') === this.network;
    this.#remembers ||= remembered;
    this.#dispatch({ type: 'press', remembered, problem: LIKE_INVITE.test(this.network) ? null : 'invite' });
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

  start(view: SwitchElement): void {
    const { phase } = this.snapshot;
    if (!isOn(phase) && phase !== 'consent') this.press(view);
  }

  stop(): void {
    this.#dispatch({ type: 'stop' });
  }

  /** Answer a reader's text; undefined where this tab does no work. */
  helpFriend(text: string): Promise<string> | undefined {
    return this.#engine?.help(text);
  }

  /** Settings of a view, or the visitor's choices, may be others now. */
  adjust(): void {
    if (this.#state.role === 'leader') this.#engine?.adjust();
  }

  /** Forget choices and figures, and turn off. */
  forget(): void {
    this.stop();
    keep.removeAll();
    this.#remembers = this.#confirmed = false;
    this.#engine?.forget();
    this.#dispatch({ type: 'forget' });
    this.#dispatch({ type: 'figures', figures: kept() });
  }

  /** The page goes, for good or into a cache: no time to ask anybody to move. */
  #hide(): void {
    this.#engine?.leave();
    // Before anything is said: a tab in line takes over instead of turning off.
    this.#tabs.close();
    this.#dispatch({ type: 'halted' });
  }

  #turn(): void {
    this.#isSeen = false;
    if (!document.hidden) {
      if (this.snapshot.elsewhere) this.#tabs.appear();
      return this.#look();
    }
    if (this.#state.role !== 'leader') return;
    this.#tabs.roll();
    setTimeout(() => this.#look(), ROLL_MS);
  }

  #look(): void {
    if (this.#state.role === 'leader') this.#engine?.look();
  }

  /** Begin, unless there is a reason to pause: that is looked for first. */
  async #lead(): Promise<void> {
    try {
      this.#engine ??= await this.#load();
      await this.#engine.watch();
      if (this.#state.role === 'none') this.#engine.rest();
      this.#dispatch({ type: 'lead' });
    } catch {
      this.#dispatch({ type: 'failed', reason: 'script' });
    }
  }

  async #load(): Promise<Engine> {
    const module = await importFile<typeof import('./work/engine')>('engine');
    const bridge = this;
    return new module.Engine({
      invite: this.network,
      keep: { get: keep.get, set: keep.set, today: keep.today },
      get settings() {
        return [...bridge.#views][0]?.settings;
      },
      get isHidden() {
        return document.hidden && !bridge.#isSeen;
      },
      relay: (signal) => fetchFile('relay', signal),
      figures: (figures) => this.#dispatch({ type: 'figures', figures }),
      pause: (pause) => this.#dispatch({ type: 'pause', pause }),
      report: (report) => this.#dispatch({ type: 'report', report }),
      ended: (reason) => {
        this.#dispatch({ type: 'ended', reason });
        if (!this.#page) this.#clear();
      },
    });
  }

  /** No element is left: be gone once nothing runs. */
  #clear(): void {
    if (this.#state.relay !== 'none') return;
    this.#tabs.close();
    bridges.delete(this.network);
  }

  #dispatch(event: SwitchEvent): void {
    const [state, effects] = dispatch(this.#state, event);
    this.#state = state;
    for (const effect of effects) this.#carryOut(effect);
    // An effect may have dispatched: what is newest is shown, and only once.
    const { snapshot } = this.#state;
    if (snapshot === this.#shown) return;
    this.#shown = snapshot;
    this.#tabs.tell(snapshot);
    for (const view of this.#views) view.show(snapshot, this.asks(view));
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
        return this.#engine?.begin(this.#confirmed || keep.get('caution') === this.network);
      case 'end':
        return this.#engine?.end();
      case 'confirm':
        this.#confirmed = true;
        if (this.#remembers) keep.set('caution', this.network);
        return this.#engine?.confirm();
      case 'remember':
        return keep.set('consent', this.network);
    }
  }
}

/** What this site has kept of what was given. */
function kept(): Figures {
  const { today, ever } = readTally(keep.get('figures'), keep.today());
  return Object.freeze({ totals: NOTHING, today, ever });
}
