/** The small sign over the site: through how many volunteers it comes, and what is wrong when something is. */

import type { Trouble } from '../trouble';
import { button, element } from './element';
import { languages } from './notice';
import { fill, type Words } from './words';

/** Hosts that were left out and are named, at most. */
const NAMED_HOSTS = 20;

export interface ChipState {
  readonly words: Words;
  readonly language: string;
  readonly site: string;
  readonly links: number;
  /** Countries of the volunteers, each once, as far as they are known (ISO 3166-1). */
  readonly countries: readonly string[];
  /** What the reader waits for; null once the site is shown. */
  readonly waiting: 'preparing' | 'connecting' | null;
  readonly trouble: Trouble | null;
  /** Whether only the second tier works here. */
  readonly isArticle: boolean;
  readonly leftOut: ReadonlySet<string>;
}

export interface ChipEvents {
  forget(): void;
  again(): void;
  language(language: string): void;
}

export class Chip {
  readonly element = element('aside', { class: 'chip' });
  readonly #events: ChipEvents;
  #isOpen = false;
  #look = '';

  constructor(events: ChipEvents) {
    this.#events = events;
  }

  /** Show `state`. Elements that would look the same stay, so that nobody presses one which has just gone. */
  show(state: ChipState): void {
    const { words, site, trouble } = state;
    const look = JSON.stringify([{ ...state, words: null }, [...state.leftOut], this.#isOpen]);
    if (look === this.#look) return;
    this.#look = look;
    const text = (name: Exclude<keyof Words, 'reasons'>) => fill(words[name], { site });
    const head = element('button', { type: 'button', class: 'head', 'aria-expanded': String(this.#isOpen) },
      element('span', { class: trouble ? 'dot bad' : state.links > 0 ? 'dot good' : 'dot' }),
      element('span', { role: 'status' }, summary(state)));
    head.onclick = () => {
      this.#isOpen = !this.#isOpen;
      this.show(state);
    };
    const parts: HTMLElement[] = [head];
    if (trouble) {
      parts.push(element('p', { class: 'trouble', role: 'alert' }, fill(words.reasons[trouble], { site })));
      parts.push(button(text('again'), 'again', () => this.#events.again()));
    }
    if (this.#isOpen) parts.push(this.#about(state, text));
    const hadFocus = this.element.contains(document.activeElement);
    this.element.replaceChildren(...parts);
    if (hadFocus) head.focus();
  }

  #about(state: ChipState, text: (name: Exclude<keyof Words, 'reasons'>) => string): HTMLElement {
    const { words, language } = state;
    const about = element('div', { class: 'about' }, element('p', {}, text('login')));
    if (state.isArticle) about.append(element('p', {}, text('article_only')));
    if (state.leftOut.size > 0) {
      const hosts = [...state.leftOut].slice(-NAMED_HOSTS).map((host) => element('li', { dir: 'ltr' }, host));
      about.append(element('p', {}, text('left_out')), element('ul', {}, ...hosts));
    }
    about.append(
      languages(words, language, this.#events.language),
      button(text('forget'), 'forget', () => this.#events.forget()),
      element('p', { class: 'small' }, text('forget_how')),
    );
    return about;
  }
}

function summary({ words, language, links, countries, waiting }: ChipState): string {
  if (links === 0) return waiting ? words[waiting] : words.none;
  const through = fill(links === 1 ? words.through_one : words.through, { n: links.toLocaleString(language) });
  const names = new Intl.DisplayNames([language], { type: 'region', fallback: 'none' });
  const known = countries.flatMap((code) => names.of(code) ?? []);
  return [through, known.join(words.comma)].filter(Boolean).join(' · ');
}
