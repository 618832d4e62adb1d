/** Shows what is seen only from the first press on: the questions, who is being helped, from where, and when the next
 * try is. */

import type { Snapshot } from '../core/switch/store';
import { make, write } from '../element/view/dom';
import type { Language } from '../element/view/language';
import type { LiveContent, LiveNodes, QuestionEvents } from '../element/view/switchview';
import { fill, number } from '../element/view/text';
import { LazyGlobe } from './globe';
import { Question } from './question';
import { Walkers } from './walkers';

/** How long the notice about a new person is shown. */
const NOTICE_MS = 8_000;

export class LiveView implements LiveContent {
  readonly #detail = make('p', { class: 'detail', 'aria-hidden': 'true' });
  /** Opens this page outside the frame that shows it. */
  readonly #alone: HTMLAnchorElement;
  readonly #notice = make('p', { class: 'notice', part: 'notice', role: 'status' });
  readonly #countries = make('ul', { class: 'places', part: 'places' });
  readonly #language: Language;
  readonly #globe: LazyGlobe;
  readonly #question: Question;
  readonly #walkers: Walkers;
  readonly #hasRoom: () => boolean;
  #before: Snapshot | null = null;
  #countdown: ReturnType<typeof setInterval> | undefined;
  #noticing: ReturnType<typeof setTimeout> | undefined;

  /** `hasRoom` returns whether there is room for a globe. */
  constructor(
    { bridge, status, question }: LiveNodes,
    language: Language,
    hasRoom: () => boolean,
  ) {
    this.#language = language;
    this.#hasRoom = hasRoom;
    const globe = make('div', { class: 'globe', part: 'map' });
    globe.hidden = this.#countries.hidden = true;
    const link = { class: 'link', part: 'link', href: location.href, target: '_blank', rel: 'noopener' };
    this.#alone = make('a', link, language.words.open_alone);
    status.after(this.#detail, this.#alone);
    this.#question = new Question(language);
    question.after(this.#notice, globe, this.#countries);
    this.#walkers = new Walkers(bridge);
    this.#globe = new LazyGlobe(globe, language.words.globe);
  }

  show(snapshot: Snapshot): void {
    const before = this.#before;
    const { phase, people, crossing, reason, retry_s, elsewhere } = snapshot;
    this.#before = snapshot;
    if (before?.crossing.join() !== crossing.join()) this.#cross(crossing, before?.crossing);
    const isBarred = reason === 'framed' || reason === 'covered';
    this.#alone.hidden = !isBarred || self === top || !location.protocol.startsWith('http');
    if (phase !== 'consent' && phase !== 'caution') this.#question.rest();
    this.#walkers.show(phase === 'helping' ? people : 0);
    if (before?.retry_s !== retry_s || before.elsewhere !== elsewhere) this.#count(snapshot);
    if (this.#hasRoom() && (phase === 'waiting' || phase === 'helping')) this.#globe.show(snapshot);
    else this.#globe.hide();
  }

  rest(): void {
    clearInterval(this.#countdown);
    clearTimeout(this.#noticing);
    this.#question.rest();
    this.#walkers.rest();
    this.#globe.hide();
  }

  question({ phase, country }: Snapshot, events: QuestionEvents): Node[] {
    if (phase === 'consent') return this.#question.consent(events);
    const { code, words } = this.#language;
    const name = countryName(code, country);
    const text = name ? fill(words.danger_how, { country: name }) : words.danger_how_unknown;
    return this.#question.caution(text, events);
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

/** Return the name of a country; null when the country is unknown. */
export function countryName(code: string, country: string | null): string | null {
  if (!country) return null;
  try {
    return new Intl.DisplayNames([code, 'en'], { type: 'region' }).of(country) ?? country;
  } catch {
    return country;
  }
}
