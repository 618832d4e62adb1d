/** The nodes of one switch, in one language. They are built once, and show snapshots. */

import type { SwitchSettings } from '../../core/switch/settings';
import { isOn, type Snapshot } from '../../core/switch/store';
import { make, write } from './dom';
import type { Language } from './language';
import { pill, scene } from './scene';
import { fill, number, size, status, time } from './text';

export const LAYOUTS = ['panel', 'inline', 'banner', 'floating'] as const;
export type Layout = (typeof LAYOUTS)[number];

/** The visitor's answers to a question. */
export interface QuestionEvents {
  agree(remember: boolean): void;
  refuse(): void;
  confirm(): void;
  stop(): void;
  /** The visitor said yes where the buttons cannot be seen. */
  covered(): void;
}

export interface SwitchViewEvents extends QuestionEvents {
  /** The visitor pressed `button`, which is the switch. */
  press(button: HTMLElement): void;
  /** The visitor opened the settings, which should be put into `container`. */
  more(container: HTMLElement): void;
  /** The visitor folded or unfolded the floating layout. */
  fold(isFolded: boolean): void;
  /** The visitor wants the floating layout out of the way until tomorrow. */
  away(): void;
  /** Return whether the switch is out of the way today. */
  isAway(): boolean;
}

/** The nodes beside which a `LiveContent` puts its own. */
export interface LiveNodes {
  readonly bridge: HTMLElement;
  readonly status: HTMLElement;
  readonly question: HTMLElement;
}

/** The element, as a `LiveContent` knows it. */
export interface LiveHost {
  readonly network: string;
  /** Whether there is room for a globe, and the page wants one. */
  readonly hasRoom: boolean;
  /** What is in force now. */
  readonly settings: SwitchSettings;
  getAttribute(name: string): string | null;
  /** Turn off in all tabs of the site. */
  stop(): void;
}

/** What is seen only while the switch is on. `more/live.ts` implements it, and is fetched later. */
export interface LiveContent {
  show(snapshot: Snapshot): void;
  /** Return the question that the switch asks in the phase of `snapshot`. */
  question(snapshot: Snapshot, events: QuestionEvents): Node[];
  /** Stop everything that moves. */
  rest(): void;
}

/** The figures are shown from this time shared on, or as soon as somebody was helped. */
const WORTH_S = 60;

export class SwitchView {
  /** The node that holds all the others. */
  readonly card: HTMLElement;
  readonly #language: Language;
  readonly #events: SwitchViewEvents;
  readonly #switch: HTMLButtonElement;
  readonly #status: HTMLElement;
  readonly #lead: HTMLElement;
  readonly #question: HTMLElement;
  readonly #liveNodes: LiveNodes;
  readonly #figures: readonly HTMLElement[];
  readonly #todays: readonly HTMLElement[];
  readonly #numbers: HTMLElement;
  readonly #more: HTMLElement;
  readonly #open: HTMLButtonElement;
  readonly #fold: HTMLButtonElement;
  readonly #away: HTMLButtonElement;
  readonly #isExample: boolean;
  #snapshot: Snapshot | null = null;
  /** The question that is shown, by its phase; '' for none, null before the first snapshot. */
  #asked: string | null = null;
  #isFolded = true;
  #live: LiveContent | null = null;

  constructor(language: Language, events: SwitchViewEvents, isExample: boolean) {
    this.#isExample = isExample;
    this.#language = language;
    this.#events = events;
    const { words } = language;
    const title = make('h2', { id: 'title', part: 'title' }, words.title);
    this.#status = make('p', { id: 'status', class: 'status', part: 'status', role: 'status' });
    this.#switch = make(
      'button',
      {
        class: 'switch',
        part: 'switch',
        type: 'button',
        role: 'switch',
        'aria-labelledby': 'title',
        'aria-describedby': 'status',
      },
      scene(),
      pill(),
    );
    this.#lead = make('p', { class: 'lead', part: 'lead' }, words.lead);
    this.#question = make('div', { class: 'question', part: 'consent', role: 'group', 'aria-labelledby': 'question' });
    this.#liveNodes = { bridge: this.#switch, status: this.#status, question: this.#question };
    this.#figures = ['', '', ''].map(() => make('dd', { class: 'figure', part: 'figure' }));
    this.#todays = ['', '', ''].map(() => make('dd', { class: 'today' }));
    const names = [words.helped, words.carried, words.shared];
    this.#numbers = make(
      'dl',
      { class: 'figures', part: 'figures' },
      ...this.#figures.map((figure, index) =>
        make('div', {}, make('dt', {}, names[index] ?? ''), figure, this.#todays[index] ?? ''),
      ),
    );
    this.#more = make('div', { class: 'more', part: 'settings', id: 'more' });
    this.#open = make(
      'button',
      { class: 'link', part: 'link', type: 'button', 'aria-expanded': 'false', 'aria-controls': 'more' },
      words.limits,
    );
    this.#fold = make('button', { class: 'fold', part: 'fold', type: 'button', 'aria-controls': 'body' });
    this.#away = make('button', { class: 'link', part: 'link', type: 'button' }, words.away);
    this.card = make(
      'section',
      { class: 'card', part: 'card', lang: language.code, dir: words.dir, 'aria-labelledby': 'title', 'data-asks': 'false' },
      make('header', {}, this.#switch, make('div', { class: 'say' }, title, this.#status), this.#fold),
      make(
        'div',
        { class: 'body', id: 'body' },
        this.#lead,
        this.#question,
        this.#numbers,
        make('footer', {}, this.#open, this.#away),
        this.#more,
      ),
    );
    if (isExample) this.card.prepend(make('p', { class: 'example', part: 'example' }, words.example));
    this.#question.hidden = this.#more.hidden = true;
    this.#switch.addEventListener('click', () => events.press(this.#switch));
    // Escape says no to the consent text.
    this.#question.addEventListener('keydown', ({ key }) => {
      if (key === 'Escape' && this.#asked === 'consent') events.refuse();
    });
    this.#open.addEventListener('click', () => this.more(this.#more.hidden));
    this.#away.addEventListener('click', () => events.away());
    this.#fold.addEventListener('click', () => {
      this.fold(!this.#isFolded);
      events.fold(this.#isFolded);
    });
  }

  /** Use `layout` from now on. */
  arrange(layout: Layout): void {
    const { card } = this;
    const floats = layout === 'floating';
    // No `transform` or `overflow` of the page moves or cuts what is in the top layer. An example stays in its place,
    // because a preview holds it.
    card.dataset['layout'] = layout;
    this.#fold.hidden = !floats;
    card.popover = floats && !this.#isExample ? 'manual' : null;
    if (card.popover && card.isConnected) card.togglePopover(true);
  }

  get isFolded(): boolean {
    return this.#isFolded;
  }

  /** Fold or unfold the floating layout. */
  fold(isFolded: boolean): void {
    const { words } = this.#language;
    this.#isFolded = isFolded;
    this.card.dataset['folded'] = String(isFolded);
    this.#fold.setAttribute('aria-expanded', String(!isFolded));
    this.#fold.setAttribute('aria-label', isFolded ? words.open : words.fold);
  }

  /** Show or hide the settings. */
  more(isShown: boolean): void {
    this.#more.hidden = !isShown;
    this.#open.setAttribute('aria-expanded', String(isShown));
    if (isShown) this.#events.more(this.#more);
    else this.#more.replaceChildren();
  }

  /** Show `snapshot`. `asks` says that this element asks the visitor's questions. */
  show(snapshot: Snapshot, asks: boolean): void {
    const { phase } = snapshot;
    const isUsed = isOn(phase) || phase === 'consent';
    this.#snapshot = snapshot;
    // A switch that is on is never out of sight.
    this.card.hidden = !isUsed && this.#events.isAway();
    this.#away.hidden = isUsed || this.#fold.hidden;
    this.card.dataset['phase'] = phase;
    this.#switch.setAttribute('aria-checked', String(isOn(phase)));
    write(this.#status, status(this.#language, snapshot));
    this.#lead.hidden = phase !== 'off' && phase !== 'problem';
    this.#ask(asks && this.#live && (phase === 'consent' || phase === 'caution') ? phase : '');
    this.#tell(snapshot);
    this.#live?.show(snapshot);
  }

  /** Stop everything that moves, because the element left the page. */
  rest(): void {
    this.#live?.rest();
  }

  /** From now on, show also what is seen only while the switch is on. `make` is called once. */
  liven(make: (nodes: LiveNodes) => LiveContent): void {
    this.#live ??= make(this.#liveNodes);
    this.#asked = null;
  }

  /** Show the figures. */
  #tell({ phase, today, ever }: Snapshot): void {
    const { code, words } = this.#language;
    const texts = ({ people, bytes, seconds }: Snapshot['ever']) => [
      number(code, people),
      size(code, bytes),
      time(code, seconds),
    ];
    const all = texts(ever);
    const now = texts(today);
    this.#figures.forEach((node, index) => write(node, all[index] ?? ''));
    this.#todays.forEach((node, index) => write(node, fill(words.today, { n: now[index] ?? '' })));
    this.#numbers.hidden = ever.people === 0 && ever.seconds < WORTH_S && !isOn(phase);
  }

  /** Show the question of `phase`; none for ''. */
  #ask(phase: string): void {
    if (phase === this.#asked) return;
    const root = this.card.getRootNode();
    // Hiding the question would lose the keyboard focus, if it is in there.
    const hadFocus = root instanceof ShadowRoot && this.#question.contains(root.activeElement);
    this.#asked = phase;
    this.#question.hidden = phase === '';
    this.card.dataset['asks'] = String(phase !== '');
    if (phase === '') {
      this.#question.replaceChildren();
      if (hadFocus) this.#switch.focus();
      return;
    }
    if (this.#live && this.#snapshot) this.#question.replaceChildren(...this.#live.question(this.#snapshot, this.#events));
    if (this.#isExample) return;
    this.#question.querySelector('h3')?.focus({ preventScroll: true });
    this.card.scrollIntoView({ block: 'nearest' });
  }
}
