/** `<passerelle-switch>`: joins a bridge and a face to the life of an element. */

import { readSettings, SETTINGS, type SwitchSettings } from '../core/switch/settings';
import { INITIAL, type Snapshot } from '../core/switch/store';
import type { PasserelleSwitchElement } from './public';
import { NetworkSwitch, type SwitchElement } from './networkswitch';
import { readChoices, setChoice as choosing } from './site/choices';
import { SwitchView, LAYOUTS, type Layout } from './view/switchview';
import * as keep from './site/storage';
import { importFile } from './site/files';
import { style } from './view/stylesheet';
import { chooseLanguage, complete, ENGLISH, load, type Language } from './view/language';

/** For the words of another language; English is shown when they take longer. */
const WORDS_MS = 1_500;

type More = typeof import('../more/more');

export class PasserelleSwitch extends HTMLElement implements PasserelleSwitchElement {
  static readonly observedAttributes = ['network', 'layout', 'lang', 'map', 'mock', ...SETTINGS];

  readonly #root: ShadowRoot;
  readonly #view: SwitchElement;
  #language: Language | null = null;
  #face: SwitchView | null = null;
  #more: More | null = null;
  #bridge: NetworkSwitch | null = null;
  /** Shown instead of the truth, and marked as an example. */
  #example: Snapshot | null = null;

  constructor() {
    super();
    this.#root = this.attachShadow({ mode: 'open' });
    this.#root.adoptedStyleSheets = [style()];
    const settings = () => this.#settings;
    this.#view = {
      get settings() {
        return settings();
      },
      show: (snapshot, asks) => this.#show(snapshot, asks),
    };
  }

  get snapshot(): Snapshot {
    return this.#example ?? (this.#bridge ?? NetworkSwitch.of(this.network)).snapshot;
  }

  get network(): string {
    return this.getAttribute('network') ?? '';
  }

  set network(invite: string) {
    this.setAttribute('network', invite);
  }

  get layout(): Layout {
    const given = this.getAttribute('layout');
    return LAYOUTS.find((layout) => layout === given) ?? 'panel';
  }

  set layout(layout: Layout) {
    this.setAttribute('layout', layout);
  }

  get theme(): 'auto' | 'light' | 'dark' {
    const given = this.getAttribute('theme');
    return given === 'light' || given === 'dark' ? given : 'auto';
  }

  set theme(theme: 'auto' | 'light' | 'dark') {
    this.setAttribute('theme', theme);
  }

  get people(): number {
    return this.#settings.people;
  }

  get lanes(): number {
    return this.#settings.lanes;
  }

  get mbit(): number {
    return this.#settings.mbit;
  }

  get megabytes(): number {
    return this.#settings.megabytes;
  }

  start(): void {
    this.#bridge?.start(this.#view);
  }

  stop(): void {
    this.#bridge?.stop();
  }

  helpFriend(text: string): Promise<string> {
    const off = () => Promise.reject(Object.assign(new Error('off'), { reason: 'off' }));
    return this.#bridge?.helpFriend(text) ?? off();
  }

  connectedCallback(): void {
    this.#join();
    void this.#speak();
    this.#mock();
  }

  disconnectedCallback(): void {
    this.#face?.rest();
    this.#bridge?.leave(this.#view);
    this.#bridge = null;
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after || !this.isConnected) return;
    if (name === 'network') this.#join();
    else if (name === 'lang') void this.#speak();
    else if (name === 'mock') this.#mock();
    else if (name === 'layout' || name === 'map') this.#arrange();
    else this.#bridge?.adjust();
  }

  get #settings(): SwitchSettings {
    const chosen = readChoices();
    return readSettings(
      (name) => chosen.get(name),
      (name) => this.getAttribute(name),
    );
  }

  #join(): void {
    this.#bridge?.leave(this.#view);
    // An example takes no part: neither its own page nor another tab can have it connect.
    this.#bridge = this.hasAttribute('mock') ? null : NetworkSwitch.of(this.network);
    this.#bridge?.join(this.#view);
    this.#again();
  }

  #show(snapshot: Snapshot, asks: boolean): void {
    this.dispatchEvent(new CustomEvent('passerelle-change', { detail: snapshot }));
    if (!this.#example) this.#face?.show(snapshot, asks);
    if (snapshot.phase !== 'off' && snapshot.phase !== 'consent') void this.#complete();
  }

  /** Fetch what is needed from the first press on. */
  async #complete(): Promise<More | null> {
    try {
      const more = await importFile<More>('more');
      if (this.#more) return more;
      this.#more = more;
      this.#root.adoptedStyleSheets = [style(), more.later];
      complete(more.english);
      this.#again();
      return more;
    } catch {
      // Tried again with the next change.
      return null;
    }
  }

  /** Show the state there is. */
  #again(): void {
    const { snapshot } = this;
    const { LiveView } = this.#more ?? {};
    if (LiveView) {
      const map = () => importFile<typeof import('../map/globe')>('map');
      this.#face?.liven((places) => new LiveView(places, this.#language ?? ENGLISH, () => this.#isRoomy, map));
    }
    this.#face?.show(snapshot, !!this.#example || !!this.#bridge?.asks(this.#view));
  }

  /** Choose a language, and build the face in it. */
  async #speak(): Promise<void> {
    const page = this.closest('[lang]')?.getAttribute('lang');
    const code = chooseLanguage([keep.get('language'), page, ...navigator.languages]);
    if (code === this.#language?.code) return;
    // A flash of English would be read out by a screen reader.
    const timer = setTimeout(() => this.#face ?? this.#build(ENGLISH), WORDS_MS);
    const language = code === 'en' ? ENGLISH : await load(code);
    clearTimeout(timer);
    this.#build(language);
  }

  #build(language: Language): void {
    if (this.#language === language) return;
    this.#language = language;
    this.#face?.rest();
    this.#face = new SwitchView(
      language,
      {
        press: () => this.#bridge?.press(this.#view),
        agree: (remember) => this.#bridge?.agree(remember),
        refuse: () => this.#bridge?.refuse(),
        confirm: () => this.#bridge?.confirm(),
        stop: () => this.#bridge?.stop(),
        more: (place) => void this.#settle(place),
        fold: (isFolded) => {
          keep.set('folded', String(isFolded));
          this.#again();
        },
      },
      this.#example !== null,
    );
    this.#face.fold(keep.get('folded') !== 'false');
    this.#root.replaceChildren(this.#face.card);
    this.#arrange();
  }

  #arrange(): void {
    this.#face?.arrange(this.layout);
    this.#again();
  }

  /** Whether there is room for a globe, and one is wanted. */
  get #isRoomy(): boolean {
    const { layout } = this;
    const isOpen = layout === 'panel' || (layout === 'floating' && this.#face?.isFolded === false);
    return this.isConnected && isOpen && this.getAttribute('map') !== 'none';
  }

  async #settle(place: HTMLElement): Promise<void> {
    const language = this.#language ?? ENGLISH;
    const more = await this.#complete();
    if (!more) return void (place.textContent = language.words.reasons.script);
    more.open(place, language, this.#settings, {
      chosen: (name, value) => {
        choosing(name, value);
        this.#bridge?.adjust();
      },
      speak: (code) => {
        keep.set('language', code);
        void this.#speak();
      },
      forget: () => {
        this.#bridge?.forget();
        this.#face?.more(false);
      },
    });
  }

  /** Show an example for somebody who designs a page. */
  #mock(): void {
    const phase = this.getAttribute('mock');
    if ((phase === null) !== (this.#bridge !== null)) this.#join();
    if (phase === null) {
      if (this.#example) this.#exhibit(null);
      return;
    }
    this.#example ??= INITIAL.snapshot;
    void this.#complete().then((more) => {
      if (this.getAttribute('mock') === phase) this.#exhibit(more?.example(phase) ?? INITIAL.snapshot);
    });
  }

  #exhibit(example: Snapshot | null): void {
    this.#example = example;
    const language = this.#language ?? ENGLISH;
    this.#language = null;
    this.#build(language);
  }
}
