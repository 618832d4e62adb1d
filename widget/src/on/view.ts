/** Shows what is seen only while the switch is on: who is being helped, from where, when the next try is, and how to go
 * on after the page is left. */

import type { Snapshot } from '../core/switch/store';
import { make, write } from '../element/view/dom';
import type { Language } from '../element/view/language';
import type { LiveHost, LiveNodes } from '../element/view/switchview';
import { countryName, fill, number } from '../element/view/text';
import { LazyGlobe } from './globe';
import { KeepOffer } from './keep';
import { UseView } from './use';
import { Walkers } from './walkers';

/** How long the notice about a new person is shown. */
const NOTICE_MS = 8_000;

export class OnView {
  readonly #detail = make('p', { class: 'detail', 'aria-hidden': 'true' });
  readonly #notice = make('p', { class: 'notice', part: 'notice', role: 'status' });
  readonly #countries = make('ul', { class: 'places', part: 'places' });
  readonly #use: UseView;
  readonly #language: Language;
  readonly #globe: LazyGlobe;
  readonly #walkers: Walkers;
  readonly #keep: KeepOffer;
  readonly #host: LiveHost;
  #before: Snapshot | null = null;
  #countdown: ReturnType<typeof setInterval> | undefined;
  #noticing: ReturnType<typeof setTimeout> | undefined;

  constructor({ bridge, status, question }: LiveNodes, language: Language, host: LiveHost) {
    this.#language = language;
    this.#host = host;
    const globe = make('div', { class: 'globe', part: 'map' });
    globe.hidden = this.#countries.hidden = true;
    this.#keep = new KeepOffer(language, host);
    this.#use = new UseView(language);
    status.after(this.#detail);
    question.after(this.#notice, globe, this.#countries, this.#use.node, this.#keep.node);
    this.#walkers = new Walkers(bridge);
    this.#globe = new LazyGlobe(globe, language.words.globe);
  }

  show(snapshot: Snapshot): void {
    const before = this.#before;
    const { phase, people, crossing, retry_s, elsewhere } = snapshot;
    this.#before = snapshot;
    if (before?.crossing.join() !== crossing.join()) this.#cross(crossing, before?.crossing);
    this.#walkers.show(phase === 'helping' ? people : 0);
    if (before?.retry_s !== retry_s || before.elsewhere !== elsewhere) this.#count(snapshot);
    this.#use.show(snapshot);
    this.#keep.show(phase);
    if (this.#host.hasRoom && (phase === 'waiting' || phase === 'helping')) this.#globe.show(snapshot);
    else this.#globe.hide();
  }

  /** Stop everything that moves. */
  rest(): void {
    clearInterval(this.#countdown);
    clearTimeout(this.#noticing);
    this.#use.rest();
    this.#walkers.rest();
    this.#globe.hide();
  }

  /** List the countries that people are in, and give notice of a new person. */
  #cross(crossing: Snapshot['crossing'], before: Snapshot['crossing'] | undefined): void {
    const { code, words } = this.#language;
    const counts = new Map<string, number>();
    for (const country of crossing) {
      const name = countryName(code, country) ?? words.unknown;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    const items = [...counts].map(([name, count]) => (count > 1 ? `${name} · ${number(code, count)}` : name));
    this.#countries.replaceChildren(...items.map((text) => make('li', {}, text)));
    this.#countries.hidden = crossing.length === 0;
    clearTimeout(this.#noticing);
    if (!before || crossing.length <= before.length) return write(this.#notice);
    const country = countryName(code, crossing.at(-1) ?? null);
    write(this.#notice, country ? fill(words.arrived, { country }) : words.arrived_unknown);
    this.#noticing = setTimeout(() => write(this.#notice), NOTICE_MS);
  }

  /** Show below the status that another tab does the work, or how long it is until the next try. */
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
