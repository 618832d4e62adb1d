/** The switch's nodes: built once, shown from snapshots. Knows nothing of sessions. */

import { isOn, type Snapshot } from '../core/store';
import { style } from './style';
import { retry, status, totals, WORDS } from './words';

export interface FaceEvents {
  press(): void;
  agree(remember: boolean): void;
  refuse(): void;
}

const SVG = 'http://www.w3.org/2000/svg';

export class Face {
  readonly #root: ShadowRoot;
  readonly #card: HTMLElement;
  readonly #switch: HTMLButtonElement;
  readonly #lead: HTMLElement;
  readonly #mark = make('p', { class: 'mark', part: 'mock', hidden: '' }, 'Preview · invented figures');
  readonly #status: HTMLElement;
  readonly #detail: HTMLElement;
  readonly #totals: HTMLElement;
  readonly #consent: HTMLElement;
  readonly #question: HTMLElement;
  readonly #remember: HTMLInputElement;
  #phase: Snapshot['phase'] | null = null;
  #countdown: ReturnType<typeof setInterval> | undefined;

  constructor(root: ShadowRoot, events: FaceEvents) {
    this.#root = root;
    root.adoptedStyleSheets = [style()];
    const title = make('h2', { id: 'title', part: 'title' }, WORDS.title);
    this.#status = make('p', { id: 'status', class: 'status', part: 'status', 'aria-live': 'polite' });
    this.#detail = make('p', { class: 'detail', 'aria-hidden': 'true' });
    this.#switch = make(
      'button',
      {
        class: 'switch',
        part: 'switch',
        type: 'button',
        role: 'switch',
        'aria-checked': 'false',
        'aria-labelledby': 'title',
        'aria-describedby': 'status',
      },
      bridge(),
      make('span', { class: 'knob' }),
    );
    this.#lead = make('p', { class: 'lead', part: 'lead' }, WORDS.lead);
    this.#totals = make('p', { class: 'totals detail', part: 'totals' });
    this.#remember = make('input', { type: 'checkbox' });
    this.#question = make('h3', { id: 'consent', tabindex: '-1' }, WORDS.consent);
    this.#consent = this.#makeConsent(events);
    this.#card = make(
      'section',
      { class: 'card', part: 'card', 'aria-labelledby': 'title' },
      make('header', {}, make('div', {}, title, this.#status, this.#detail), this.#switch),
      this.#mark,
      this.#lead,
      this.#consent,
      this.#totals,
    );
    this.#switch.addEventListener('click', () => events.press());
    root.append(this.#card);
  }

  /** Show `snapshot`; cheap when little changed. */
  show(snapshot: Snapshot): void {
    const { phase } = snapshot;
    this.#card.dataset['phase'] = phase;
    this.#switch.setAttribute('aria-checked', String(isOn(phase)));
    // Writing the same text again would make a screen reader say it again.
    const sentence = status(snapshot);
    if (this.#status.textContent !== sentence) this.#status.textContent = sentence;
    this.#lead.hidden = phase !== 'off' && phase !== 'problem';
    this.#totals.textContent = totals(snapshot.totals);
    this.#totals.hidden = this.#totals.textContent === '';
    this.#count(snapshot.retry_s);
    if (phase !== this.#phase) this.#turn(phase);
    this.#phase = phase;
  }

  /** Say whether what is shown is invented. */
  mark(isInvented: boolean): void {
    this.#mark.hidden = !isInvented;
  }

  /** Stop the countdown: the element left the page. */
  rest(): void {
    clearInterval(this.#countdown);
  }

  #turn(phase: Snapshot['phase']): void {
    // Hiding what has the focus loses it.
    const hadFocus = this.#root.activeElement !== null;
    this.#consent.hidden = phase !== 'consent';
    if (phase === 'consent') {
      this.#remember.checked = false;
      this.#question.focus({ preventScroll: true });
      this.#card.scrollIntoView({ block: 'nearest' });
    } else if (this.#phase === 'consent' && hadFocus) {
      this.#switch.focus();
    }
  }

  #count(retry_s: number | null): void {
    clearInterval(this.#countdown);
    this.#detail.hidden = retry_s === null;
    if (retry_s === null) return;
    const end_ms = performance.now() + retry_s * 1000;
    const tell = () => {
      const left = Math.max(0, Math.ceil((end_ms - performance.now()) / 1000));
      this.#detail.textContent = retry(left);
      if (left === 0) clearInterval(this.#countdown);
    };
    this.#countdown = setInterval(tell, 1000);
    tell();
  }

  #makeConsent(events: FaceEvents): HTMLElement {
    const points = WORDS.points.map(([what, how]) =>
      make('div', {}, make('dt', {}, what), ' ', make('dd', {}, how)),
    );
    const agree = make('button', { class: 'agree', part: 'button agree', type: 'button' }, WORDS.agree);
    const refuse = make('button', { part: 'button refuse', type: 'button' }, WORDS.refuse);
    agree.addEventListener('click', () => events.agree(this.#remember.checked));
    refuse.addEventListener('click', () => events.refuse());
    const consent = make(
      'div',
      { class: 'consent', part: 'consent', role: 'group', 'aria-labelledby': 'consent' },
      this.#question,
      make('dl', {}, ...points),
      make('label', {}, this.#remember, WORDS.remember),
      make('div', { class: 'choice' }, agree, refuse),
    );
    consent.hidden = true;
    consent.addEventListener('keydown', ({ key }) => {
      if (key === 'Escape') events.refuse();
    });
    return consent;
  }
}

function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>>,
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function bridge(): SVGElement {
  const draw = (tag: string, attributes: Readonly<Record<string, string>>) => {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  };
  const svg = draw('svg', { viewBox: '0 0 88 48', 'aria-hidden': 'true' });
  svg.append(
    draw('rect', { class: 'track', x: '1', y: '1', width: '86', height: '46', rx: '23' }),
    draw('path', { class: 'arc', d: 'M 15 32 Q 44 8 73 32' }),
  );
  return svg;
}
