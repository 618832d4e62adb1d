/** Moving pictures like those of a camera, for calls in which nobody is seen.
 *
 * A link that looks like a call has the browser's own encoder encode them, so its frames have the sizes of a call's.
 * There is a room, a head that sways, gestures of some seconds, and a sensor's noise.
 * `src/passerelle/core/media/scene.py` is the client's half: it has the same numbers, and says why.
 */

const SMALL = [640, 360] as const;
const LARGE = [1280, 720] as const;
const LARGE_SHARE = 0.6;
const FRAMES_PER_S = [30, 30, 30, 30, 25, 25, 20, 15];
const CLOCK_SPREAD = 0.01;
const LATE_S = [0.001, 0.006] as const;
const HELD_CHANCE = 0.01;
const HELD_GAIN = 8;
const BRIGHT_SHARE = 0.2;
const BRIGHT_NOISE = [0, 3] as const;
const DIM_NOISE = [16, 32] as const;
const MOTION = [5, 30] as const;
const TALK = [0.2, 0.8] as const;
const BOUND_SHARE = 0.1;
const BOUND_BIT_S = [500_000, 1_200_000] as const;
const GESTURE_S = [0.3, 3] as const;
const LIGHT = 16;
const LIGHT_S = [2, 12] as const;
const OBJECTS = 60;
const GREY = [24, 200] as const;
const SKIN = 150;
const CLOTH = 70;
const DARK = 40;

type Chance = () => number;

/** What one end of a call shows, and how it sounds. */
export interface Look {
  readonly width: number;
  readonly height: number;
  readonly frames_per_s: number;
  /** The largest number that noise adds to a pixel. */
  readonly noise: number;
  /** How far a person moves, in pixels of a small picture. */
  readonly motion: number;
  /** The share of time in which he talks. */
  readonly talk: number;
  /** How late pictures and sound come on average. */
  readonly late_s: number;
  /** The application's own bound on the video; 0 leaves it to the browser. */
  readonly bound_bit_s: number;
}

const between = (chance: Chance, [least, most]: readonly [number, number]) => least + chance() * (most - least);

/** Return one of the looks that people have. `chance` returns random numbers from 0 up to 1. */
export function lookOf(chance: Chance, mayBeLarge: boolean): Look {
  const isLarge = chance() < LARGE_SHARE && mayBeLarge;
  const [width, height] = isLarge ? LARGE : SMALL;
  const nominal = FRAMES_PER_S[Math.floor(chance() * FRAMES_PER_S.length)] ?? 30;
  const frames_per_s = nominal * (1 + CLOCK_SPREAD * (2 * chance() - 1));
  const [least, most] = chance() < BRIGHT_SHARE ? BRIGHT_NOISE : DIM_NOISE;
  const noise = least + Math.floor(chance() * (most - least + 1));
  const motion = between(chance, MOTION);
  const talk = between(chance, TALK);
  const late_s = between(chance, LATE_S);
  const isBound = chance() < BOUND_SHARE;
  const bound_bit_s = Math.floor(between(chance, BOUND_BIT_S));
  return { width, height, frames_per_s, noise, motion, talk, late_s, bound_bit_s: isBound ? bound_bit_s : 0 };
}

/** Return how late the next picture or piece of sound comes: a machine always does other things. */
export function lateness_ms({ late_s }: Look, chance: Chance): number {
  const gain = chance() < HELD_CHANCE ? HELD_GAIN : 1;
  return -1_000 * late_s * gain * Math.log(1 - chance());
}

/** Makes one picture after the other. */
export class Scene {
  readonly #look: Look;
  readonly #chance: Chance;
  readonly #room: Uint8Array;
  readonly #grain: Uint8Array;
  /** The picture: brightness, then both colours, which are always grey. */
  readonly #plane: Uint8Array<ArrayBuffer>;
  #count = 0;
  /** How far the person moves now. */
  #gesture = 0;
  /** Pictures until that changes. */
  #left = 0;
  /** How much brighter the picture is in the present light. */
  #light = 0;
  /** Pictures until that changes. */
  #light_left = 0;

  /** `chance` returns random numbers from 0 up to 1. */
  constructor(look: Look, chance: Chance) {
    this.#look = look;
    this.#chance = chance;
    const size = look.width * look.height;
    this.#plane = new Uint8Array(size * 1.5).fill(128);
    this.#fill(0, 0, look.width, look.height, 100);
    for (let count = 0; count < OBJECTS; count += 1) {
      const [left, top] = [chance() * look.width, chance() * look.height];
      const [wide, tall] = [chance() * look.width * 0.3, chance() * look.height * 0.4];
      this.#fill(left, top, wide, tall, between(chance, GREY));
    }
    this.#room = this.#plane.slice(0, size);
    // Each picture takes a part of the noise, at a random place.
    this.#grain = Uint8Array.from({ length: size * 1.5 }, () => chance() * (look.noise + 1));
  }

  /** Return the next picture, as I420. It is overwritten by the one after it. */
  nextPicture(): Uint8Array<ArrayBuffer> {
    const plane = this.#plane;
    plane.set(this.#room);
    this.#drawPerson();
    this.#light_left -= 1;
    if (this.#light_left < 0) {
      this.#light = Math.floor(this.#chance() * LIGHT);
      this.#light_left = Math.floor(between(this.#chance, LIGHT_S) * this.#look.frames_per_s);
    }
    const light = this.#light;
    const size = this.#room.length;
    const grain = this.#grain.subarray(Math.floor(this.#chance() * (this.#grain.length - size)));
    for (let at = 0; at < size; at += 1) plane[at] = (plane[at] as number) + (grain[at] as number) + light;
    this.#count += 1;
    return plane;
  }

  #drawPerson(): void {
    const { width, height, motion, frames_per_s } = this.#look;
    const scale = height / SMALL[1];
    this.#left -= 1;
    if (this.#left < 0) {
      this.#gesture = this.#gesture ? 0 : motion * scale;
      this.#left = Math.floor(between(this.#chance, GESTURE_S) * frames_per_s);
    }
    const time_s = this.#count / frames_per_s;
    const x = width / 2 + 8 * scale * Math.sin(1.1 * time_s) + this.#gesture * Math.sin(6 * time_s);
    const y = height * 0.45 + 0.4 * this.#gesture * Math.sin(3.2 * time_s);
    this.#fill(x - height * 0.35, y + height * 0.22, height * 0.7, height, CLOTH);
    const [wide, tall] = [height * 0.2, height * 0.27];
    for (let row = -tall; row <= tall; row += 1) {
      const half = wide * Math.sqrt(1 - (row / tall) ** 2);
      this.#fill(x - half, y + row, 2 * half, 1, SKIN);
    }
    for (const side of [-1, 1]) this.#fill(x + side * height * 0.08 - 5 * scale, y - 12 * scale, 10 * scale, 6 * scale, DARK);
    this.#fill(x - 14 * scale, y + height * 0.12, 28 * scale, (3 + 6 * Math.abs(Math.sin(11 * time_s))) * scale, DARK);
    if (this.#gesture) this.#fill(x + height * 0.4 * Math.sin(7.7 * time_s), y + height * 0.2, 60 * scale, 60 * scale, SKIN);
  }

  /** Draw a rectangle, or what of it is inside the picture. */
  #fill(left: number, top: number, wide: number, tall: number, grey: number): void {
    const { width, height } = this.#look;
    const from = Math.max(0, Math.floor(left));
    const to = Math.max(from, Math.min(width, Math.floor(left + wide)));
    const end = Math.min(height, Math.floor(top + tall));
    for (let row = Math.max(0, Math.floor(top)); row < end; row += 1) {
      this.#plane.fill(grey, row * width + from, row * width + to);
    }
  }
}
