/** The world, as the build made it (`dots.mjs`): dots of land with their countries, and the countries' places. */

/** Longitude and latitude, in degrees. */
export type Point = readonly [number, number];

/** `dots.mjs` describes the fields. */
interface Dots {
  readonly step: number;
  readonly south: number;
  readonly cells: string;
  readonly places: Readonly<Record<string, Point>>;
}

declare const __DOTS__: Dots;

export interface Dot {
  readonly point: Point;
  readonly country: string;
}

/** Stands for the country of a dot in the sea, which is left out. */
const SEA = '..';

/** Return all dots of land. */
export function landDots(): readonly Dot[] {
  const { step, south, cells } = __DOTS__;
  const dots: Dot[] = [];
  let latitude = south;
  let index = 0;
  let count = across(latitude, step);
  for (const [, country = SEA, length = ''] of cells.matchAll(/([A-Z.-]{2})([0-9a-z]+)/g)) {
    for (let left = Number.parseInt(length, 36); left > 0; left--) {
      if (country !== SEA) dots.push({ point: [(index * 360) / count - 180, latitude], country });
      if (++index < count) continue;
      index = 0;
      latitude += step;
      count = across(latitude, step);
    }
  }
  return dots;
}

/** Return the place of a country; null for an unknown country. */
export const positionOf = (country: string | null): Point | null =>
  (country && Object.hasOwn(__DOTS__.places, country) && __DOTS__.places[country]) || null;

/** Return the number of dots in the row at `latitude`. `dots.mjs` makes the rows by the same formula. */
const across = (latitude: number, step: number): number =>
  Math.round((360 * Math.cos((latitude * Math.PI) / 180)) / step);
