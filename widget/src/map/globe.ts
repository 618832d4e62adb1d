/** A globe of dots, with an arc to this browser's country from each country of the people being helped.
 *
 * It is drawn when something changes, and while something moves: never off-screen, never in a hidden tab,
 * and not between changes when nobody is being helped. Nothing moves if the visitor asks for no motion.
 */

import { geoDistance, geoInterpolate, geoRotation } from 'd3-geo';
import type { Snapshot } from '../core/switch/store';
import { landDots, positionOf, type Dot, type Point } from './world';

/** The time between two frames while the globe turns, or when somebody has just come. */
const FRAME_MS = 40;
/** The time between two frames later on, for hours: motion must not cost more than relaying does. */
const CALM_FRAME_MS = 500;
/** How long an arc counts as new. */
const LIVELY_MS = 10_000;
/** How long the globe takes to turn. */
const TURN_MS = 1_800;
/** How long a light takes to cross an arc. */
const CROSS_MS = 3_200;
/** Lines that an arc is drawn of. */
const STEPS = 48;
/** The globe's radius as a share of the canvas. The rest is for arcs, which rise above the globe. */
const RADIUS = 0.455;
/** Pixels of the canvas for one CSS pixel, at most. */
const SHARPEST = 2;
/** The latitude that the view is drawn towards, in degrees: most countries lie north of the equator. */
const TILT = 18;
/** The point in front while no country is known. */
const USUAL: Point = [30, 25];

interface Arc {
  readonly country: string;
  readonly from: Point;
  /** Null when this browser's country is unknown. */
  readonly to: Point | null;
  readonly since_ms: number;
}

interface Colours {
  readonly ink: string;
  readonly accent: string;
  readonly warm: string;
}

export class GlobeDrawing {
  readonly #canvas = document.createElement('canvas');
  readonly #ground = document.createElement('canvas');
  readonly #over = new AbortController();
  readonly #still = matchMedia('(prefers-reduced-motion: reduce)');
  readonly #dots: readonly Dot[] = landDots();
  #arcs: readonly Arc[] = [];
  #home: string | null = null;
  #centre: Point = [USUAL[0] - 70, USUAL[1]];
  #turn: { readonly from: Point; readonly to: Point; readonly since_ms: number } | null = null;
  #size = 0;
  #isSeen = false;
  /** Whether the ground is drawn as it should be. */
  #isFresh = false;
  #frame = 0;
  #next: ReturnType<typeof setTimeout> | undefined;

  /** Put a canvas into `container`; `label` is its text for screen readers. */
  constructor(container: HTMLElement, label: string) {
    const canvas = this.#canvas;
    const { signal } = this.#over;
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', label);
    container.replaceChildren(canvas);
    const seen = new IntersectionObserver(([entry]) => {
      this.#isSeen = entry?.isIntersecting ?? false;
      this.#wake();
    });
    const sized = new ResizeObserver(() => this.#resize());
    seen.observe(canvas);
    sized.observe(canvas);
    signal.addEventListener('abort', () => {
      seen.disconnect();
      sized.disconnect();
      cancelAnimationFrame(this.#frame);
      clearTimeout(this.#next);
      canvas.remove();
    });
    const wake = () => this.#redraw();
    document.addEventListener('visibilitychange', wake, { signal });
    this.#still.addEventListener('change', wake, { signal });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', wake, { signal });
    this.#drag();
    this.#look(USUAL);
  }

  show({ crossing, country }: Snapshot): void {
    const to = positionOf(country);
    const known = new Map(this.#arcs.map((arc) => [arc.country, arc]));
    const countries = [...new Set(crossing)];
    const isMoved = country !== this.#home;
    const arcs = countries.flatMap((name) => {
      const from = positionOf(name);
      if (!name || !from) return [];
      const before = isMoved ? undefined : known.get(name);
      return [before ?? { country: name, from, to, since_ms: performance.now() }];
    });
    const isSame = arcs.length === this.#arcs.length && arcs.every((arc, index) => arc === this.#arcs[index]);
    if (isSame && !isMoved) return;
    const newest = arcs.filter((arc) => !known.has(arc.country)).at(-1);
    this.#arcs = arcs;
    this.#home = country;
    if (newest) this.#look(newest.to ? geoInterpolate([...newest.from], [...newest.to])(0.5) : newest.from);
    else if (isMoved && to && arcs.length === 0) this.#look(to);
    this.#redraw();
  }

  /** Stop, and remove the canvas. */
  end(): void {
    this.#over.abort();
  }

  /** Turn the globe so that `point` is in front. */
  #look(point: Point): void {
    const to: Point = [point[0], Math.max(-35, Math.min(50, point[1] * 0.75 + TILT * 0.25))];
    this.#turn = { from: this.#centre, to, since_ms: performance.now() };
    if (this.#still.matches) this.#centre = to;
    this.#redraw();
  }

  #drag(): void {
    const canvas = this.#canvas;
    const { signal } = this.#over;
    canvas.addEventListener('pointerdown', (event) => canvas.setPointerCapture(event.pointerId), { signal });
    canvas.addEventListener(
      'pointermove',
      (event) => {
        if (!canvas.hasPointerCapture(event.pointerId)) return;
        const degrees = 180 / canvas.clientWidth;
        const [longitude, latitude] = this.#centre;
        this.#turn = null;
        this.#centre = [
          longitude - event.movementX * degrees,
          Math.max(-60, Math.min(70, latitude + event.movementY * degrees)),
        ];
        this.#redraw();
      },
      { signal },
    );
  }

  #resize(): void {
    const size = Math.round(this.#canvas.clientWidth * Math.min(SHARPEST, devicePixelRatio));
    if (size === this.#size) return;
    this.#size = size;
    for (const canvas of [this.#canvas, this.#ground]) canvas.width = canvas.height = size;
    this.#redraw();
  }

  #redraw(): void {
    this.#isFresh = false;
    this.#wake();
  }

  /** Draw in the next animation frame, and go on while something moves. */
  #wake(): void {
    if (this.#frame || !this.#isSeen || document.hidden || this.#over.signal.aborted) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      const now_ms = performance.now();
      this.#draw(now_ms);
      clearTimeout(this.#next);
      const isMoving = this.#turn ?? (this.#arcs.length > 0 && !this.#still.matches);
      if (!isMoving) return;
      const isLively = this.#turn ?? this.#arcs.some(({ since_ms }) => now_ms - since_ms < LIVELY_MS);
      // A timer, because asking for every frame of the screen costs as much as drawing in it.
      this.#next = setTimeout(() => this.#wake(), isLively ? FRAME_MS : CALM_FRAME_MS);
    });
  }

  #draw(now_ms: number): void {
    const context = this.#canvas.getContext('2d');
    if (!context || this.#size === 0) return;
    this.#advance(now_ms);
    const style = getComputedStyle(this.#canvas);
    const colours = { ink: style.fill, accent: style.color, warm: style.stroke };
    const rotate = geoRotation([-this.#centre[0], -this.#centre[1]]);
    if (!this.#isFresh) this.#drawGround(rotate, colours);
    this.#isFresh = true;
    context.clearRect(0, 0, this.#size, this.#size);
    context.drawImage(this.#ground, 0, 0);
    for (const arc of this.#arcs) this.#drawArc(context, rotate, arc, colours, now_ms);
  }

  #advance(now_ms: number): void {
    if (!this.#turn) return;
    const { from, to, since_ms } = this.#turn;
    const part = this.#still.matches ? 1 : Math.min(1, (now_ms - since_ms) / TURN_MS);
    const eased = 1 - (1 - part) ** 3;
    const east = ((((to[0] - from[0]) % 360) + 540) % 360) - 180;
    this.#centre = [from[0] + east * eased, from[1] + (to[1] - from[1]) * eased];
    this.#isFresh = false;
    if (part === 1) this.#turn = null;
  }

  #drawGround(rotate: Rotation, { ink, accent, warm }: Colours): void {
    const context = this.#ground.getContext('2d');
    if (!context) return;
    const radius = this.#size * RADIUS;
    const half = this.#size / 2;
    context.clearRect(0, 0, this.#size, this.#size);
    const glow = context.createRadialGradient(half * 0.8, half * 0.7, 0, half, half, radius);
    glow.addColorStop(0, accent);
    glow.addColorStop(1, accent);
    context.globalAlpha = 0.07;
    context.fillStyle = glow;
    disc(context, half, half, radius);
    const people = new Set(this.#arcs.map(({ country }) => country));
    for (const { point, country } of this.#dots) {
      const { x, y, z } = turned(rotate, point);
      if (z <= 0.02) continue;
      const isPeoples = people.has(country);
      const isLit = isPeoples || country === this.#home;
      context.fillStyle = isPeoples ? warm : isLit ? accent : ink;
      context.globalAlpha = (isLit ? 0.95 : 0.3) * Math.min(1, 0.25 + z);
      disc(context, half + x * radius, half - y * radius, radius * (isLit ? 0.0135 : 0.0105) * (0.55 + 0.45 * z));
    }
    context.globalAlpha = 1;
  }

  #drawArc(
    context: CanvasRenderingContext2D,
    rotate: Rotation,
    { from, to, since_ms }: Arc,
    { accent, warm }: Colours,
    now_ms: number,
  ): void {
    const isStill = this.#still.matches;
    const age = isStill ? Infinity : now_ms - since_ms;
    const radius = this.#size * RADIUS;
    const half = this.#size / 2;
    const width = this.#size / 150;
    const pulse = isStill ? 0.5 : (age % 2_400) / 2_400;
    const spot = turned(rotate, from);
    if (spot.z > 0) {
      context.fillStyle = warm;
      disc(context, half + spot.x * radius, half - spot.y * radius, width * 1.7);
      context.globalAlpha = 0.4 * (1 - pulse);
      disc(context, half + spot.x * radius, half - spot.y * radius, width * (1.7 + 5 * pulse));
      context.globalAlpha = 1;
    }
    if (!to) return;
    const between = geoInterpolate([...from], [...to]);
    const rise = 0.1 + 0.36 * (geoDistance([...from], [...to]) / Math.PI);
    const at = (t: number) => {
      const { x, y, z } = turned(rotate, between(t));
      const height = 1 + rise * Math.sin(Math.PI * t);
      return { x: half + x * height * radius, y: half - y * height * radius, isSeen: z > 0 || Math.hypot(x, y) * height > 1 };
    };
    const grown = Math.min(1, age / 1_400);
    context.strokeStyle = accent;
    context.lineWidth = width * 0.75;
    context.lineCap = 'round';
    context.beginPath();
    let isDown = false;
    for (let step = 0; step <= STEPS * grown; step++) {
      const { x, y, isSeen } = at(step / STEPS);
      if (isSeen && isDown) context.lineTo(x, y);
      else context.moveTo(x, y);
      isDown = isSeen;
    }
    context.stroke();
    const end = at(1);
    context.fillStyle = accent;
    if (end.isSeen && grown === 1) disc(context, end.x, end.y, width * 1.7);
    if (isStill || grown < 1) return;
    const light = at((age % CROSS_MS) / CROSS_MS);
    context.fillStyle = warm;
    if (light.isSeen) disc(context, light.x, light.y, width * 1.3);
  }
}

type Rotation = ReturnType<typeof geoRotation>;

/** Return where `point` lies on the unit sphere, seen from far in front. z points towards the viewer. */
function turned(rotate: Rotation, point: Point): { x: number; y: number; z: number } {
  const [longitude, latitude] = rotate([...point]).map((degrees) => (degrees * Math.PI) / 180) as [number, number];
  const across = Math.cos(latitude);
  return { x: across * Math.sin(longitude), y: Math.sin(latitude), z: across * Math.cos(longitude) };
}

function disc(context: CanvasRenderingContext2D, x: number, y: number, radius: number): void {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}
