/** The two questions: before the switch is turned on, and before anybody is helped where that may be dangerous. A yes
 * counts only where the visitor sees the buttons. */

import { make } from '../element/view/dom';
import type { Language } from '../element/view/language';
import type { QuestionEvents } from '../element/view/switchview';
import { Sight } from './sight';

type Answer = readonly [text: string, give: () => void];

export class Question {
  readonly #words: Language['words'];
  #sight: Sight | null = null;

  constructor({ words }: Language) {
    this.#words = words;
  }

  /** Return the question before the switch is turned on. */
  consent(events: QuestionEvents): Node[] {
    const words = this.#words;
    const points = (['what', 'where', 'who', 'cost', 'end'] as const).map((name) =>
      make('div', {}, make('dt', {}, words[name]), ' ', make('dd', {}, words[`${name}_how`])),
    );
    const remember = make('input', { type: 'checkbox' });
    const agree = () => void this.#accept(events, () => events.agree(remember.checked));
    return [
      make('h3', { id: 'question', tabindex: '-1' }, words.ask),
      make('dl', {}, ...points),
      make('label', {}, remember, words.remember),
      this.#choice([words.agree, agree], [words.refuse, () => events.refuse()]),
    ];
  }

  /** Return the question before anybody is helped. `danger` says what may happen. */
  caution(danger: string, events: QuestionEvents): Node[] {
    const words = this.#words;
    const confirm = () => void this.#accept(events, () => events.confirm());
    return [
      make('h3', { id: 'question', tabindex: '-1' }, words.danger),
      make('p', {}, danger),
      this.#choice([words.turn_off, () => events.stop()], [words.go_on, confirm]),
    ];
  }

  /** Watch the buttons no more. */
  rest(): void {
    this.#sight?.end();
    this.#sight = null;
  }

  #choice([first, one]: Answer, [second, other]: Answer): HTMLElement {
    const agree = make('button', { class: 'agree', part: 'button agree', type: 'button' }, first);
    const refuse = make('button', { part: 'button refuse', type: 'button' }, second);
    agree.addEventListener('click', one);
    refuse.addEventListener('click', other);
    const row = make('div', { class: 'choice' }, agree, refuse);
    this.rest();
    this.#sight = new Sight(row);
    return row;
  }

  async #accept(events: QuestionEvents, yes: () => void): Promise<void> {
    if (await this.#sight?.isSeen()) yes();
    else events.covered();
  }
}
