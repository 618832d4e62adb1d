/** Draws the extension's icons, the switch as a footbridge: its banks are dark, and the knob is where somebody crosses. */

import { deflateSync, crc32 } from 'node:zlib';

/** Samples of each pixel, in a row: edges are smooth. */
const SAMPLES = 4;

const COLOURS = {
  off: { track: [113, 130, 139], knob: [255, 255, 255], at: 0.32 },
  waiting: { track: [13, 114, 101], knob: [255, 255, 255], at: 0.68 },
  helping: { track: [13, 114, 101], knob: [247, 189, 79], at: 0.68 },
};

/** Return whether a point of the unit square is in the track, and in the knob. */
function parts(x, y, at) {
  const near = Math.min(Math.max(x, 0.32), 0.68);
  return [Math.hypot(x - near, y - 0.5) < 0.3, Math.hypot(x - at, y - 0.5) < 0.2];
}

function pixels(side, { track, knob, at }) {
  const rows = Buffer.alloc(side * (1 + 4 * side));
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      const sum = [0, 0, 0, 0];
      for (let n = 0; n < SAMPLES ** 2; n += 1) {
        const px = (x + ((n % SAMPLES) + 0.5) / SAMPLES) / side;
        const py = (y + (Math.floor(n / SAMPLES) + 0.5) / SAMPLES) / side;
        const [isTrack, isKnob] = parts(px, py, at);
        if (!isTrack) continue;
        const colour = isKnob ? knob : track;
        for (let part = 0; part < 3; part += 1) sum[part] += colour[part];
        sum[3] += 1;
      }
      const start = y * (1 + 4 * side) + 1 + 4 * x;
      for (let part = 0; part < 3; part += 1) rows[start + part] = sum[3] ? Math.round(sum[part] / sum[3]) : 0;
      rows[start + 3] = Math.round((255 * sum[3]) / SAMPLES ** 2);
    }
  }
  return rows;
}

/** A chunk of a PNG file (RFC 2083, section 3.2). */
function chunk(kind, data) {
  const body = Buffer.concat([Buffer.from(kind, 'latin1'), data]);
  const whole = Buffer.alloc(body.length + 8);
  whole.writeUInt32BE(data.length, 0);
  body.copy(whole, 4);
  whole.writeUInt32BE(crc32(body), body.length + 4);
  return whole;
}

/** Return the icon of a sign (`off`, `waiting`, `helping`) as a PNG file of `side` pixels. */
export function icon(sign, side) {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(side, 0);
  head.writeUInt32BE(side, 4);
  head.set([8, 6, 0, 0, 0], 8);
  const data = deflateSync(pixels(side, COLOURS[sign]), { level: 9 });
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  return Buffer.concat([signature, chunk('IHDR', head), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))]);
}
