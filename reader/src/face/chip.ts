/** The small sign over the site: through how many volunteers it comes, and what is wrong when something is.
 *
 * Until the first page is there it stands alone in the middle.
 */

import type { Later, LoadLater } from '../later/later';
import { canRead } from '../links/connection';
import type { Trouble } from '../trouble';
import { button, element } from './element';
import { fill, type Words } from './words';

export interface ChipState {
  readonly words: Words;
  readonly language: string;
  readonly site: string;
  readonly volunteers: number;
  /** Countries of the volunteers, each once, as far as they are known (ISO 3166-1). */
  readonly countries: readonly string[];
  /** The host of the door through which the site comes where there is no volunteer; null while none is needed. */
  readonly door: string | null;
  /** Whether links are kept or looked for, which ends when this browser cannot have any. */
  readonly isTrying: boolean;
  /** Whether a page of the site was shown by now. */
  readonly isShown: boolean;
  readonly trouble: Trouble | null;
  /** Whether only the second tier works here. */
  readonly isArticle: boolean;
  readonly leftOut: ReadonlySet<string>;
}

export interface ChipEvents {
  forget(): void;
  again(): void;
  language(language: string): void;
  /** The reader wants a friend to let this page in. */
  friend(): void;
}

export class Chip {
  readonly element = element('aside', { class: 'chip' });
  readonly #events: ChipEvents;
  /** It stays in the page, because what is new in an element is read out, and a new element is not. */
  readonly #said = element('p', { class: 'said', role: 'status' });
  readonly #later: LoadLater;
  #loaded: Later | null = null;
  #state!: ChipState;
  #isOpen = false;
  #look = '';

  constructor(events: ChipEvents, later: LoadLater) {
    this.#events = events;
    this.#later = later;
    this.element.append(this.#said);
  }

  /** Show `state`. Elements that would look the same stay, so that nobody presses one which has just gone. */
  show(state: ChipState): void {
    const { words, site, trouble, isShown } = state;
    this.#state = state;
    const look = JSON.stringify([{ ...state, words: null }, [...state.leftOut], this.#isOpen]);
    if (look === this.#look) return;
    this.#look = look;
    const focused = this.element.contains(document.activeElement) ? document.activeElement?.className : null;
    const text = (name: Exclude<keyof Words, 'reasons'>) => fill(words[name], { site });
    const said = summary(state);
    const isCarried = state.volunteers > 0 || state.door !== null;
    const head = button('', 'head', () => void this.#toggle());
    head.setAttribute('aria-expanded', String(this.#isOpen));
    head.append(
      element('span', { class: trouble ? 'dot bad' : isCarried ? 'dot good' : 'dot' }),
      element('span', { class: 'summary' }, said),
      element('span', { class: 'arrow', 'aria-hidden': 'true' }));
    const close = button('✕', 'close', () => this.#events.forget());
    close.title = text('forget');
    close.setAttribute('aria-label', close.title);
    const parts: HTMLElement[] = [element('div', { class: 'bar' }, head, close)];
    if (!isShown && isCarried && !trouble) parts.push(element('p', {}, text('loading')));
    if (trouble) {
      parts.push(element('p', { class: 'trouble' }, fill(words.reasons[trouble], { site })));
      parts.push(button(text('again'), 'again', () => this.#events.again()));
      // Neither a broker nor a door was reached.
      if (trouble === 'broker_unreachable' && canRead() === 'yes') {
        if (this.#loaded) parts.push(this.#loaded.friendButton(() => this.#events.friend()));
        else this.#load().catch(() => {});
      }
    }
    if (this.#loaded && this.#isOpen) parts.push(this.#loaded.about(state, this.#events));
    this.element.className = isShown ? 'chip' : 'chip alone';
    this.element.setAttribute('aria-label', words.open);
    for (const old of [...this.element.children]) if (old !== this.#said) old.remove();
    this.element.append(...parts);
    this.#said.textContent = [said, trouble && fill(words.reasons[trouble], { site })].filter(Boolean).join(' · ');
    if (focused) (this.element.querySelector<HTMLElement>(`.${focused}`) ?? head).focus();
  }

  async #toggle(): Promise<void> {
    await this.#load();
    this.#isOpen = !this.#isOpen;
    this.show(this.#state);
  }

  /** Have what the sign shows seldom. Rejects where that cannot be had. */
  async #load(): Promise<void> {
    this.#loaded ??= await this.#later();
    this.#look = '';
    this.show(this.#state);
  }
}

function summary({ words, language, volunteers, countries, door, isTrying, trouble }: ChipState): string {
  if (volunteers === 0 && door !== null) return fill(words.through_door, { host: door });
  // No volunteer is had before the clock is right.
  if (volunteers === 0) return isTrying && trouble !== 'clock' ? words.connecting : words.none;
  const through = fill(volunteers === 1 ? words.through_one : words.through, { n: volunteers.toLocaleString(language) });
  const names = new Intl.DisplayNames([language], { type: 'region', fallback: 'none' });
  const known = countries.flatMap((code) => names.of(code) ?? []);
  return [through, known.join(words.comma)].filter(Boolean).join(' · ');
}
