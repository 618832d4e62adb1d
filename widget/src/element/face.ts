/** The switch's nodes, in one language: built once, shown from snapshots. Knows no bridge. */

import { isOn, type Snapshot } from '../core/store';
import { make, write } from './dom';
import { pill, scene } from './scene';
import { fill, number, place, size, status, time, type Language } from './words';

export const LAYOUTS = ['panel', 'inline', 'banner', 'floating'] as const;
export type Layout = (typeof LAYOUTS)[number];

export interface FaceEvents {
  press(): void;
  agree(remember: boolean): void;
  refuse(): void;
  confirm(): void;
  stop(): void;
  /** Fill `place` with settings. */
  more(place: HTMLElement): void;
  fold(isFolded: boolean): void;
}

/** How long it is told that somebody new is there. */
const NOTICE_MS = 8_000;
/** Time shared that is worth telling. */
const WORTH_S = 60;

export class Face {
  readonly card: HTMLElement;
  /** Where a globe goes. */
  readonly globe: HTMLElement;
  readonly #language: Language;
  readonly #events: FaceEvents;
  readonly #switch: HTMLButtonElement;
  readonly #status: HTMLElement;
  readonly #detail: HTMLElement;
  readonly #lead: HTMLElement;
  readonly #question: HTMLElement;
  readonly #notice: HTMLElement;
  readonly #places: HTMLElement;
  readonly #figures: readonly HTMLElement[];
  readonly #todays: readonly HTMLElement[];
  readonly #numbers: HTMLElement;
  readonly #more: HTMLElement;
  readonly #open: HTMLButtonElement;
  readonly #fold: HTMLButtonElement;
  readonly #isExample: boolean;
  #snapshot: Snapshot | null = null;
  #asked: string | null = null;
  #isFolded = true;
  #countdown: ReturnType<typeof setInterval> | undefined;
  #noticing: ReturnType<typeof setTimeout> | undefined;

  constructor(language: Language, events: FaceEvents, isExample: boolean) {
    this.#isExample = isExample;
    this.#language = language;
    this.#events = events;
    const { words } = language;
    const title = make('h2', { id: 'title', part: 'title' }, words.title);
    this.#status = make('p', { id: 'status', class: 'status', part: 'status', role: 'status' });
    this.#detail = make('p', { class: 'detail', 'aria-hidden': 'true' });
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
    this.#notice = make('p', { class: 'notice', part: 'notice', role: 'status' });
    this.#places = make('ul', { class: 'places', part: 'places' });
    this.globe = make('div', { class: 'globe', part: 'map' });
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
    this.card = make(
      'section',
      { class: 'card', part: 'card', lang: language.code, dir: words.dir, 'aria-labelledby': 'title', 'data-asks': 'false' },
      make('header', {}, this.#switch, make('div', { class: 'say' }, title, this.#status, this.#detail), this.#fold),
      make(
        'div',
        { class: 'body', id: 'body' },
        this.#lead,
        this.#question,
        this.#notice,
        this.globe,
        this.#places,
        this.#numbers,
        make('footer', {}, this.#open),
        this.#more,
      ),
    );
    if (isExample) this.card.prepend(make('p', { class: 'example', part: 'example' }, words.example));
    for (const node of [this.#question, this.#notice, this.#more, this.globe]) node.hidden = true;
    this.#switch.addEventListener('click', () => events.press());
    this.#open.addEventListener('click', () => this.more(this.#more.hidden));
    this.#fold.addEventListener('click', () => {
      this.fold(!this.#isFolded);
      events.fold(this.#isFolded);
    });
  }

  arrange(layout: Layout): void {
    this.card.dataset['layout'] = layout;
    this.#fold.hidden = layout !== 'floating';
  }

  get isFolded(): boolean {
    return this.#isFolded;
  }

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

  /** Show `snapshot`; cheap when little changed. A question is asked where `asks`. */
  show(snapshot: Snapshot, asks: boolean): void {
    const { phase, elsewhere, retry_s } = snapshot;
    const before = this.#snapshot;
    this.#snapshot = snapshot;
    this.card.dataset['phase'] = phase;
    this.card.dataset['people'] = String(Math.min(snapshot.people, 5));
    this.#switch.setAttribute('aria-checked', String(isOn(phase)));
    write(this.#status, status(this.#language, snapshot));
    this.#lead.hidden = phase !== 'off' && phase !== 'problem';
    this.#ask(asks && (phase === 'consent' || phase === 'caution') ? phase : '');
    this.#tell(snapshot);
    if (!before || before.crossing.join() !== snapshot.crossing.join()) this.#cross(snapshot, before);
    if (!before || before.retry_s !== retry_s || before.elsewhere !== elsewhere) this.#count(snapshot);
  }

  /** Stop all timers: the element left the page. */
  rest(): void {
    clearInterval(this.#countdown);
    clearTimeout(this.#noticing);
  }

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

  /** Show where people are, and tell of somebody new. */
  #cross({ crossing }: Snapshot, before: Snapshot | null): void {
    const { code, words } = this.#language;
    const counts = new Map<string, number>();
    for (const country of crossing) {
      const name = place(code, country) ?? words.unknown;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    this.#places.replaceChildren(
      ...[...counts].map(([name, count]) => make('li', {}, count > 1 ? `${name} · ${number(code, count)}` : name)),
    );
    this.#places.hidden = crossing.length === 0;
    clearTimeout(this.#noticing);
    if (!before || crossing.length <= before.crossing.length) return write(this.#notice, '');
    const country = place(code, crossing.at(-1) ?? null);
    write(this.#notice, country ? fill(words.arrived, { country }) : words.arrived_unknown);
    this.#noticing = setTimeout(() => write(this.#notice, ''), NOTICE_MS);
  }

  #ask(phase: string): void {
    if (phase === this.#asked) return;
    const root = this.card.getRootNode();
    // Hiding what has the focus loses it.
    const hadFocus = root instanceof ShadowRoot && this.#question.contains(root.activeElement);
    this.#asked = phase;
    this.#question.hidden = phase === '';
    this.card.dataset['asks'] = String(phase !== '');
    if (phase === '') {
      this.#question.replaceChildren();
      if (hadFocus) this.#switch.focus();
      return;
    }
    this.#question.replaceChildren(...(phase === 'caution' ? this.#warning() : this.#consent()));
    if (this.#isExample) return;
    this.#question.querySelector('h3')?.focus({ preventScroll: true });
    this.card.scrollIntoView({ block: 'nearest' });
  }

  #consent(): Node[] {
    const { words } = this.#language;
    const points = (['what', 'where', 'who', 'cost', 'end'] as const).map((name) =>
      make('div', {}, make('dt', {}, words[name]), ' ', make('dd', {}, words[`${name}_how`])),
    );
    const remember = make('input', { type: 'checkbox' });
    const agree = () => this.#events.agree(remember.checked);
    return [
      make('h3', { id: 'question', tabindex: '-1' }, words.ask),
      make('dl', {}, ...points),
      make('label', {}, remember, words.remember),
      this.#choice(words.agree, agree, words.refuse, () => this.#events.refuse()),
    ];
  }

  #warning(): Node[] {
    const { code, words } = this.#language;
    const country = place(code, this.#snapshot?.country ?? null);
    const text = country ? fill(words.danger_how, { country }) : words.danger_how_unknown;
    return [
      make('h3', { id: 'question', tabindex: '-1' }, words.danger),
      make('p', {}, text),
      this.#choice(words.turn_off, () => this.#events.stop(), words.go_on, () => this.#events.confirm()),
    ];
  }

  #choice(first: string, one: () => void, second: string, other: () => void): HTMLElement {
    const agree = make('button', { class: 'agree', part: 'button agree', type: 'button' }, first);
    const refuse = make('button', { part: 'button refuse', type: 'button' }, second);
    agree.addEventListener('click', one);
    refuse.addEventListener('click', other);
    const row = make('div', { class: 'choice' }, agree, refuse);
    this.#question.onkeydown = ({ key }) => {
      if (key === 'Escape' && this.#asked === 'consent') this.#events.refuse();
    };
    return row;
  }

  /** What is below the status: where the work is done, or when the next try is. */
  #count({ retry_s, elsewhere }: Snapshot): void {
    const { code, words } = this.#language;
    clearInterval(this.#countdown);
    write(this.#detail, elsewhere ? words.elsewhere : '');
    if (retry_s === null) return;
    const end_ms = performance.now() + retry_s * 1000;
    const tell = () => {
      const left = Math.max(0, Math.ceil((end_ms - performance.now()) / 1000));
      write(this.#detail, left > 0 ? fill(words.retry, { n: number(code, left) }) : words.retry_now);
      if (left === 0) clearInterval(this.#countdown);
    };
    this.#countdown = setInterval(tell, 1000);
    tell();
  }
}
