/** What is seen while the switch is on: who is on the bridge and where, when the next try is. */

import type { Snapshot } from '../core/switch/store';
import { make, write } from '../element/view/dom';
import { fill, number, type Language } from '../element/view/language';
import { LazyGlobe } from './globe';
import { Walkers } from './walkers';

/** Where it is put. */
export interface LiveNodes {
  readonly bridge: HTMLElement;
  readonly detail: HTMLElement;
  readonly notice: HTMLElement;
  readonly countries: HTMLElement;
  readonly globe: HTMLElement;
}

/** How long it is told that somebody new is there. */
const NOTICE_MS = 8_000;

export class LiveView {
  readonly #places: LiveNodes;
  readonly #language: Language;
  readonly #globe: LazyGlobe;
  readonly #walk: Walkers;
  /** Whether there is room for a globe. */
  readonly #isRoomy: () => boolean;
  #before: Snapshot | null = null;
  #countdown: ReturnType<typeof setInterval> | undefined;
  #noticing: ReturnType<typeof setTimeout> | undefined;

  constructor(
    places: LiveNodes,
    language: Language,
    isRoomy: () => boolean,
    map: () => Promise<typeof import('../map/globe')>,
  ) {
    this.#places = places;
    this.#language = language;
    this.#isRoomy = isRoomy;
    this.#walk = new Walkers(places.bridge);
    this.#globe = new LazyGlobe(places.globe, language.words.globe, map);
  }

  show(snapshot: Snapshot): void {
    const before = this.#before;
    const { phase, people, crossing, retry_s, elsewhere } = snapshot;
    this.#before = snapshot;
    if (before?.crossing.join() !== crossing.join()) this.#cross(crossing, before?.crossing);
    this.#walk.show(phase === 'helping' ? people : 0);
    if (before?.retry_s !== retry_s || before.elsewhere !== elsewhere) this.#count(snapshot);
    if (this.#isRoomy() && (phase === 'waiting' || phase === 'helping')) this.#globe.show(snapshot);
    else this.#globe.hide();
  }

  /** Stop whatever moves. */
  rest(): void {
    clearInterval(this.#countdown);
    clearTimeout(this.#noticing);
    this.#walk.rest();
    this.#globe.hide();
  }

  /** What somebody is told whose country may punish them. */
  warning(country: string | null): Node[] {
    const { code, words } = this.#language;
    const name = countryName(code, country);
    const text = name ? fill(words.danger_how, { country: name }) : words.danger_how_unknown;
    return [make('h3', { id: 'question', tabindex: '-1' }, words.danger), make('p', {}, text)];
  }

  /** Show where people are, and tell of somebody new. */
  #cross(crossing: Snapshot['crossing'], before: Snapshot['crossing'] | undefined): void {
    const { code, words } = this.#language;
    const { countries, notice } = this.#places;
    const counts = new Map<string, number>();
    for (const country of crossing) {
      const name = countryName(code, country) ?? words.unknown;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    const items = [...counts].map(([name, count]) => (count > 1 ? `${name} · ${number(code, count)}` : name));
    countries.replaceChildren(...items.map((text) => make('li', {}, text)));
    countries.hidden = crossing.length === 0;
    clearTimeout(this.#noticing);
    if (!before || crossing.length <= before.length) return write(notice);
    const country = countryName(code, crossing.at(-1) ?? null);
    write(notice, country ? fill(words.arrived, { country }) : words.arrived_unknown);
    this.#noticing = setTimeout(() => write(notice), NOTICE_MS);
  }

  /** Below the status: where the work is done, or when the next try is. */
  #count({ retry_s, elsewhere }: Snapshot): void {
    const { code, words } = this.#language;
    const { detail } = this.#places;
    clearInterval(this.#countdown);
    write(detail, elsewhere ? words.elsewhere : '');
    if (retry_s === null) return;
    const end_ms = performance.now() + retry_s * 1000;
    const tell = () => {
      const left = Math.max(0, Math.ceil((end_ms - performance.now()) / 1000));
      write(detail, left > 0 ? fill(words.retry, { n: number(code, left) }) : words.retry_now);
      if (left === 0) clearInterval(this.#countdown);
    };
    this.#countdown = setInterval(tell, 1000);
    tell();
  }
}

/** A country's name; null where it is unknown. */
export function countryName(code: string, country: string | null): string | null {
  if (!country) return null;
  try {
    return new Intl.DisplayNames([code, 'en'], { type: 'region' }).of(country) ?? country;
  } catch {
    return country;
  }
}
