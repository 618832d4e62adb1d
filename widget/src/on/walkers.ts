/** Draws and moves the people on the drawn bridge. They go step by step, because a page that moves sixty times a second
 * for hours would cost the volunteer more than relaying does. */

import { draw } from '../element/view/dom';

/** People drawn, at most. */
const MOST = 5;
const STEP_MS = 500;
/** Steps from one bank to the other. */
const STEPS = 16;
/** Steps in which somebody appears at one bank, and disappears at the other. */
const FADE_STEPS = 2;

export class Walkers {
  readonly #knob: Element | null;
  #walkers: SVGElement[] = [];
  readonly #still = matchMedia('(prefers-reduced-motion: reduce)');
  #timer: ReturnType<typeof setInterval> | undefined;
  #step = 0;

  constructor(bridge: HTMLElement) {
    this.#knob = bridge.querySelector('.scene .knob');
  }

  /** Let people walk, if there are any. They stand still if the visitor asks for no motion. */
  show(people: number): void {
    const drawn = Math.min(people, MOST);
    if (drawn !== this.#walkers.length) {
      this.rest();
      this.#walkers = Array.from({ length: drawn }, () => draw('circle', { class: 'walker', r: '4.5' }));
      this.#knob?.before(...this.#walkers);
    }
    if (drawn === 0 || this.#still.matches) return;
    this.#timer ??= setInterval(() => this.#go(), STEP_MS);
  }

  /** Stop, and take everybody off the bridge. */
  rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const walker of this.#walkers) walker.remove();
    this.#walkers = [];
  }

  #go(): void {
    if (document.hidden) return;
    this.#step += 1;
    this.#walkers.forEach(({ style }, index) => {
      const at = (this.#step + (index * STEPS) / this.#walkers.length) % STEPS;
      style.offsetDistance = `${((100 * at) / STEPS).toFixed(1)}%`;
      style.opacity = String(Math.min(1, at / FADE_STEPS, (STEPS - at) / FADE_STEPS));
    });
  }
}
