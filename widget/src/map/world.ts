/** The world as the build made it (`dots.mjs`): dots with their countries, and where countries are. */

/** Longitude and latitude, in degrees. */
export type Point = readonly [number, number];

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

/** Where a country is; null for one that nobody knows. */
export const positionOf = (country: string | null): Point | null =>
  (country && Object.hasOwn(__DOTS__.places, country) && __DOTS__.places[country]) || null;

const across = (latitude: number, step: number): number =>
  Math.round((360 * Math.cos((latitude * Math.PI) / 180)) / step);
