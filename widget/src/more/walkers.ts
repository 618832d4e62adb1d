/** Moves the people on the drawn bridge. They go step by step, because a page that moves sixty times a second
 * for hours would cost the volunteer more than relaying does. */

const STEP_MS = 500;
/** Steps from one bank to the other. */
const STEPS = 16;
/** Steps in which somebody appears at one bank, and disappears at the other. */
const FADE_STEPS = 2;

export class Walkers {
  readonly #walkers: SVGElement[];
  readonly #still = matchMedia('(prefers-reduced-motion: reduce)');
  #timer: ReturnType<typeof setInterval> | undefined;
  #step = 0;

  constructor(bridge: HTMLElement) {
    this.#walkers = [...bridge.querySelectorAll<SVGElement>('.walker')];
  }

  /** Let people walk, if there are any. They stand still if the visitor asks for no motion. */
  show(people: number): void {
    if (people === 0 || this.#still.matches) return this.rest();
    this.#timer ??= setInterval(() => this.#go(), STEP_MS);
  }

  /** Stop, and put everybody back. */
  rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const { style } of this.#walkers) style.offsetDistance = style.opacity = '';
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
