/** Says of what use this device is: whom it can help, how fast its connection is, how many readers wait, how long it has
 * been waiting, when it last helped, and how many attempts came to nothing. */

import { speedOf } from '../core/switch/speed';
import type { Snapshot } from '../core/switch/store';
import { make, write } from '../element/view/dom';
import type { Language } from '../element/view/language';
import { ago, fill, number, rate, time } from '../element/view/text';

/** Spans are told in minutes, and only from one minute on. */
const MINUTE_S = 60;

export class UseView {
  readonly node = make('div', { class: 'use', part: 'use' });
  readonly #said = make('p', {});
  /** Tells what was measured, on demand. */
  readonly #speed = make('summary', {});
  readonly #rates = make('p', {});
  readonly #details = make('details', {}, this.#speed, this.#rates);
  readonly #language: Language;
  #snapshot: Snapshot | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(language: Language) {
    this.#language = language;
    this.node.append(this.#said, this.#details);
  }

  show(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    if (snapshot.waits_since_s === null) this.rest();
    else this.#timer ??= setInterval(() => this.#tell(), MINUTE_S * 1000);
    this.#tell();
  }

  /** Count the minutes no more. */
  rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tell(): void {
    const { phase, reach, demand, failed, helped_at_s, waits_since_s, untested } = this.#snapshot ?? {};
    const { code, words } = this.#language;
    const said: string[] = [];
    const now_s = Date.now() / 1000;
    if (phase === 'waiting' || phase === 'helping') {
      if (reach) said.push(words.reach[reach]);
      if (demand) said.push(words.demand[demand]);
      const waited_s = waits_since_s ? now_s - waits_since_s : 0;
      if (waited_s >= MINUTE_S) said.push(fill(words.waits, { time: time(code, waited_s) }));
      if (helped_at_s && phase === 'waiting') said.push(fill(words.last, { when: ago(code, now_s - helped_at_s) }));
      if (failed) said.push(fill(words.failed, { n: number(code, failed) }));
      if (untested) said.push(words.untested[untested]);
    }
    write(this.#said, said.join(' '));
    this.#tellSpeed();
    this.node.hidden = said.length === 0 && this.#details.hidden;
  }

  /** Tell how fast the connection is in a word, and in figures on demand. The status says by itself that it is too slow. */
  #tellSpeed(): void {
    const { phase, rates, reason } = this.#snapshot ?? {};
    const { code, words } = this.#language;
    const isShown = phase === 'waiting' || phase === 'helping' || (phase === 'retrying' && reason === 'too_slow');
    this.#details.hidden = !rates || !isShown;
    if (!rates) return;
    const speed = speedOf(rates);
    write(this.#speed, speed === 'slow' ? words.reasons.too_slow : words.speeds[speed]);
    const told = (mbit: number | null) => (mbit === null ? '–' : rate(code, mbit));
    const figures = fill(words.measured, { down: told(rates.down_mbit), up: told(rates.up_mbit) });
    write(this.#rates, rates.isSmall ? `${figures} ${words.measured_small}` : figures);
  }
}
