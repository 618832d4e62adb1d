/** Draws the switch: a footbridge between two banks, which the knob crosses. There is a wide drawing and a
 * small one. */

import { draw } from './dom';

/** Height of the posts, in the drawing's units. */
const RAILING = 9;
/** Gaps between the posts. */
const POSTS = 12;

/** Return the wide drawing: the banks, the water, and the bridge. */
export function scene(): SVGElement {
  return draw(
    'svg',
    { class: 'scene', viewBox: '0 0 320 128', 'aria-hidden': 'true' },
    draw('path', { class: 'water', d: 'M98 106q8-5 16 0t16 0 16 0 16 0 16 0 16 0 16 0' }),
    draw('path', { class: 'water', d: 'M122 117q8-5 16 0t16 0 16 0 16 0 16 0' }),
    draw('path', { class: 'rail', d: 'M56 71Q160 -1 264 71' }),
    draw('path', { class: 'rail', d: posts() }),
    draw('path', { class: 'deck', d: 'M50 84 56 80Q160 8 264 80l6 4' }),
    draw('path', { class: 'bank', d: 'M0 128V80H52q6 0 9 5l25 43Z' }),
    draw('path', { class: 'bank', d: 'M320 128V80H268q-6 0-9 5l-25 43Z' }),
    draw('circle', { class: 'knob', r: '15' }),
  );
}

/** Return the small drawing, which fits beside a line of text. */
export function pill(): SVGElement {
  return draw(
    'svg',
    { class: 'pill', viewBox: '0 0 88 48', 'aria-hidden': 'true' },
    draw('rect', { class: 'track', x: '1', y: '1', width: '86', height: '46', rx: '23' }),
    draw('path', { class: 'deck', d: 'M15 34Q44 10 73 34' }),
    draw('circle', { class: 'knob', r: '13.5' }),
  );
}

/** Return the posts between deck and railing, as one path. */
function posts(): string {
  const at = (t: number, from: number, over: number) => (1 - t) * (1 - t) * from + 2 * t * (1 - t) * over;
  return Array.from({ length: POSTS - 1 }, (_, index) => {
    const t = (index + 1) / POSTS;
    const x = at(t, 56, 160) + t * t * 264;
    const y = at(t, 80, 8) + t * t * 80;
    return `M${x.toFixed(1)} ${y.toFixed(1)}v-${RAILING}`;
  }).join('');
}
