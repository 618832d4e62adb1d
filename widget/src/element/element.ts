/** `<passerelle-switch>`: connects a `SwitchView` to the `NetworkSwitch` of its network, for as long as the
 * element is in a page. */

import { reasonOf } from '../core/errors';
import { readSettings, SETTINGS, type SwitchSettings } from '../core/switch/settings';
import { INITIAL, type Snapshot } from '../core/switch/store';
import { LIKE_INVITE, NetworkSwitch, type ShownSwitch, type SwitchElement } from './networkswitch';
import { importFile } from './files/files';
import type { PasserelleSwitchElement } from './public';
import { readChoices, setChoice } from './site/choices';
import * as storage from './site/storage';
import { survive } from './site/survive';
import { addEnglish, chooseLanguage, ENGLISH, loadLanguage, type Language } from './view/language';
import { switchStyle } from './view/stylesheet';
import { SwitchView, LAYOUTS, type Layout } from './view/switchview';

/** The time in which the words of another language must come. After it, English is shown until they do. */
const WORDS_MS = 1_500;

type Theme = PasserelleSwitchElement['theme'];

/** Attributes without a property of the same name, each with `=` and its value where that is one of a few. A name with
 * a hyphen or a colon is for another script. */
const PLAIN =
  /^((mock|hours|battery|metered|background|class|survive|chromium|firefox)=|(map|keep)=none$|corner=(top|bottom)-(left|right)$|\w*[^\w=])/;

/** Attributes whose text is compared with what it is taken for. */
const EXACT = /^(layout|theme|people|lanes|mbit|megabytes)$/;

type MoreFile = typeof import('../more/more');

export class PasserelleSwitch extends HTMLElement implements PasserelleSwitchElement {
  /** Returns the switch of a network, which may be any text. */
  static find: (network: string) => ShownSwitch = NetworkSwitch.of;
  static readonly observedAttributes = ['network', 'layout', 'lang', 'map', 'mock', ...SETTINGS];

  readonly #root: ShadowRoot;
  /** This element, as its switch knows it. */
  readonly #self: SwitchElement;
  #language: Language | null = null;
  #view: SwitchView | null = null;
  /** The file that is fetched at the first press. */
  #more: MoreFile | null = null;
  /** The switch that is shown; null outside a page, and for an example. */
  #switch: ShownSwitch | null = null;
  /** The example that is shown instead of the switch's state, or null. */
  #example: Snapshot | null = null;

  constructor() {
    super();
    this.#root = this.attachShadow({ mode: 'open' });
    this.#root.adoptedStyleSheets = [switchStyle()];
    const settings = () => this.settings;
    this.#self = {
      get settings() {
        return settings();
      },
      show: (snapshot, asks) => this.#show(snapshot, asks),
    };
  }

  get snapshot(): Snapshot {
    return this.#example ?? (this.#switch ?? PasserelleSwitch.find(this.network)).snapshot;
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

  get theme(): Theme {
    const given = this.getAttribute('theme');
    return given === 'light' || given === 'dark' ? given : 'auto';
  }

  set theme(theme: Theme) {
    this.setAttribute('theme', theme);
  }

  get people(): number {
    return this.settings.people;
  }

  get lanes(): number {
    return this.settings.lanes;
  }

  get mbit(): number {
    return this.settings.mbit;
  }

  get megabytes(): number {
    return this.settings.megabytes;
  }

  start(): void {
    this.#switch?.start(this.#self);
  }

  stop(): void {
    this.#switch?.stop();
  }

  helpFriend(text: string): Promise<string> {
    const off = () => Promise.reject(Object.assign(new Error('off'), { reason: 'off' }));
    return this.#switch?.helpFriend(text) ?? off();
  }

  connectedCallback(): void {
    this.#join();
    // A card that left the page has left the top layer too.
    this.#arrange();
    void this.#speak();
    this.#mock();
    if (this.#isOdd) void this.#complete();
    void survive(this.getAttribute('survive'));
  }

  disconnectedCallback(): void {
    this.#view?.rest();
    this.#switch?.leave(this.#self);
    this.#switch = null;
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after || !this.isConnected) return;
    if (name === 'network') this.#join();
    else if (name === 'lang') void this.#speak();
    else if (name === 'mock') this.#mock();
    else if (name === 'layout' || name === 'map') this.#arrange();
    else this.#switch?.adjust();
  }

  /** What is in force: the visitor's choices, else the attributes, else the defaults. */
  get settings(): SwitchSettings {
    const chosen = readChoices();
    return readSettings(
      (name) => chosen.get(name),
      (name) => this.getAttribute(name),
    );
  }

  /** Whether something in the tag may have no meaning, or not the one it seems to have. `mistakes` finds what it is. */
  get #isOdd(): boolean {
    let isOdd = this.childElementCount > 0 || !(this.hasAttribute('mock') || LIKE_INVITE.test(this.network));
    const read = readSettings(
      (name) => this.getAttribute(name),
      (name) => void (isOdd ||= this.hasAttribute(name)),
    );
    const usual: Readonly<Record<string, unknown>> = { ...read, layout: this.layout, theme: this.theme };
    return (
      isOdd ||
      [...this.attributes].some(({ name, value }) =>
        EXACT.test(name) ? value !== String(usual[name]) : !(name in this) && !PLAIN.test(`${name}=${value}`),
      )
    );
  }

  #join(): void {
    this.#switch?.leave(this.#self);
    // An example has no switch, so neither its page nor another tab can make it connect.
    this.#switch = this.hasAttribute('mock') ? null : PasserelleSwitch.find(this.network);
    this.#switch?.join(this.#self);
    this.#again();
  }

  #show(snapshot: Snapshot, asks: boolean): void {
    this.dispatchEvent(new CustomEvent('passerelle-change', { detail: snapshot }));
    if (!this.#example) this.#view?.show(snapshot, asks);
    if (snapshot.phase === 'consent') void this.#require();
    else if (snapshot.phase !== 'off') void this.#complete();
  }

  /** The visitor pressed `button`, which is the switch. */
  async #press(button: HTMLElement): Promise<void> {
    const own = this.#switch;
    // This press is the consent, so it must be given to a switch that can be seen.
    if (own?.isAgreed) {
      const more = await this.#require();
      if (!more) return;
      if (!(await more.isSeen(button))) return own.bar('covered');
      // A second press, or another tab, may have turned it on meanwhile. Then this press must not turn it off.
      if (!own.isAgreed) return;
    }
    own?.press(this.#self);
  }

  /** Fetch the file that is needed from the first press on. Without it the switch may not be on. */
  async #require(): Promise<MoreFile | null> {
    try {
      return await this.#load();
    } catch (error) {
      this.#switch?.bar(reasonOf(error));
      return null;
    }
  }

  /** Fetch the same file, for what can do without it. The next change tries again. */
  #complete(): Promise<MoreFile | null> {
    return this.#load().catch(() => null);
  }

  /** Throws Problem. */
  async #load(): Promise<MoreFile> {
    const more = await importFile<MoreFile>('more');
    if (this.#more) return more;
    this.#more = more;
    this.#root.adoptedStyleSheets = [switchStyle(), more.laterStyle];
    addEnglish(more.english);
    for (const mistake of more.mistakes(this)) console.warn('<passerelle-switch>:', mistake);
    this.#again();
    return more;
  }

  /** Show the present state. */
  #again(): void {
    const { snapshot } = this;
    const { LiveView } = this.#more ?? {};
    if (LiveView) this.#view?.liven((nodes) => new LiveView(nodes, this.#language ?? ENGLISH, this));
    this.#view?.show(snapshot, !!this.#example || !!this.#switch?.asks(this.#self));
  }

  /** Choose a language, and build the view in it. */
  async #speak(): Promise<void> {
    const page = this.closest('[lang]')?.getAttribute('lang');
    const code = chooseLanguage([storage.get('language'), page, ...navigator.languages]);
    if (code === this.#language?.code) return;
    // English is not shown at once, because a screen reader would read out even a flash of it.
    const timer = setTimeout(() => this.#view ?? this.#build(ENGLISH), WORDS_MS);
    const language = code === 'en' ? ENGLISH : await loadLanguage(code);
    clearTimeout(timer);
    this.#build(language);
  }

  /** Build the view in `language`, unless it is built in it. */
  #build(language: Language): void {
    if (this.#language === language) return;
    this.#language = language;
    this.#view?.rest();
    this.#view = new SwitchView(
      language,
      {
        press: (button) => void this.#press(button),
        agree: (remember) => this.#switch?.agree(remember),
        refuse: () => this.#switch?.refuse(),
        covered: () => this.#switch?.bar('covered'),
        confirm: () => this.#switch?.confirm(),
        stop: () => this.#switch?.stop(),
        more: (container) => void this.#openSettings(container),
        fold: (isFolded) => {
          storage.set('folded', String(isFolded));
          this.#again();
        },
        away: () => {
          if (!this.#example) storage.set('away', storage.today());
          this.#again();
        },
        isAway: () => !this.#example && this.layout === 'floating' && storage.get('away') === storage.today(),
      },
      this.#example !== null,
    );
    this.#view.fold(storage.get('folded') !== 'false');
    this.#root.replaceChildren(this.#view.card);
    this.#arrange();
  }

  #arrange(): void {
    this.#view?.arrange(this.layout);
    this.#again();
  }

  /** Whether there is room for a globe, and the page wants one. */
  get hasRoom(): boolean {
    const { layout } = this;
    const isOpen = layout === 'panel' || (layout === 'floating' && this.#view?.isFolded === false);
    return this.isConnected && isOpen && this.getAttribute('map') !== 'none';
  }

  /** Put the settings into `container`. */
  async #openSettings(container: HTMLElement): Promise<void> {
    const language = this.#language ?? ENGLISH;
    const more = await this.#complete();
    if (!more) return void (container.textContent = language.words.reasons.script);
    more.openSettings(container, language, this.settings, {
      mayHide: this.#switch?.mayHide ?? true,
      network: this.network,
      chosen: (name, value) => {
        setChoice(name, value);
        this.#switch?.adjust();
      },
      speak: (code) => {
        storage.set('language', code);
        void this.#speak();
      },
      forget: () => {
        this.#switch?.forget();
        this.#view?.more(false);
      },
    });
  }

  /** Show the example that the attribute `mock` asks for, or the switch's state without it. */
  #mock(): void {
    const phase = this.getAttribute('mock');
    if ((phase === null) !== (this.#switch !== null)) this.#join();
    if (phase === null) {
      if (this.#example) this.#exhibit(null);
      return;
    }
    this.#example ??= INITIAL.snapshot;
    void this.#complete().then((more) => {
      if (this.getAttribute('mock') === phase) this.#exhibit(more?.example(phase) ?? INITIAL.snapshot);
    });
  }

  /** Show `example`; null shows the switch's state. The view is built anew, with the mark of an example or
   * without. */
  #exhibit(example: Snapshot | null): void {
    this.#example = example;
    const language = this.#language ?? ENGLISH;
    this.#language = null;
    this.#build(language);
  }
}
