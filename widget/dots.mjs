/** Makes the world as dots: a grid with about equal distances, and the country that each dot lies in.
 *
 * The build makes it from world-atlas (Natural Earth, 1:110m). Nothing finer than a country is ever known
 * about anybody, and a grid has a twentieth of the size of the borders.
 */

import { readFile } from 'node:fs/promises';
import { geoArea, geoBounds, geoCentroid, geoContains } from 'd3-geo';
import { feature } from 'topojson-client';

const ATLAS = new URL('node_modules/world-atlas/countries-110m.json', import.meta.url);
const COUNTRIES = new URL('countries.txt', import.meta.url);

/** Degrees between two dots. */
const STEP = 2.4;
/** The latitude where the grid begins, because nobody browses south of it. */
const SOUTH = -58;
/** Stands for the country of a dot in the sea. */
const SEA = '..';

/** Return `{step, south, cells, places}`. `cells` are runs of cells from the south-west on, each as a country
 * and a length in base 36. `places` has the `[longitude, latitude]` of every country. */
export async function dots() {
  const atlas = JSON.parse(await readFile(ATLAS, 'utf8'));
  const table = (await readFile(COUNTRIES, 'utf8')).split('\n').filter((line) => /^[A-Z]/.test(line));
  const codes = new Map(table.map((line) => line.split(' ')).map(([code, id]) => [id, code]));
  const shapes = feature(atlas, atlas.objects.countries).features.flatMap(({ id, geometry }) => {
    const polygons = geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates;
    return polygons.map((coordinates) => {
      const shape = { type: 'Polygon', coordinates };
      return { code: codes.get(id) ?? '--', shape, bounds: geoBounds(shape), area: geoArea(shape) };
    });
  });
  const places = {};
  for (const { code, shape } of shapes.sort((one, other) => one.area - other.area)) {
    if (code !== '--') places[code] = geoCentroid(shape).map(Math.round);
  }
  for (const line of table) {
    const [code, , longitude, latitude] = line.split(' ');
    if (latitude) places[code] = [Number(longitude), Number(latitude)];
  }
  return { step: STEP, south: SOUTH, cells: runs(grid(shapes)), places };
}

function grid(shapes) {
  const cells = [];
  for (let latitude = SOUTH; latitude < 84; latitude += STEP) {
    const count = Math.round((360 * Math.cos((latitude * Math.PI) / 180)) / STEP);
    for (let index = 0; index < count; index++) {
      const point = [(index * 360) / count - 180, latitude];
      cells.push(shapes.find((shape) => holds(shape, point))?.code ?? SEA);
    }
  }
  return cells;
}

function holds({ shape, bounds: [[west, south], [east, north]] }, point) {
  const [longitude, latitude] = point;
  if (latitude < south || latitude > north) return false;
  const isBetween = west <= east ? west <= longitude && longitude <= east : longitude >= west || longitude <= east;
  return isBetween && geoContains(shape, point);
}

function runs(cells) {
  let text = '';
  for (let from = 0, to; from < cells.length; from = to) {
    for (to = from; to < cells.length && cells[to] === cells[from]; ) to++;
    text += cells[from] + (to - from).toString(36);
  }
  return text;
}
