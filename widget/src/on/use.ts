/** Says of what use this device is: whom it can help, how many readers wait, how long it has been waiting, when it last
 * helped, and how many attempts came to nothing. */

import type { Snapshot } from '../core/switch/store';
import { make, write } from '../element/view/dom';
import type { Language } from '../element/view/language';
import { ago, fill, number, time } from '../element/view/text';

/** Spans are told in minutes, and only from one minute on. */
const MINUTE_S = 60;

export class UseView {
  readonly node = make('p', { class: 'use', part: 'use' });
  readonly #language: Language;
  #snapshot: Snapshot | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(language: Language) {
    this.#language = language;
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
    const { phase, reach, demand, failed, helped_at_s, waits_since_s } = this.#snapshot ?? {};
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
    }
    write(this.node, said.join(' '));
  }
}
