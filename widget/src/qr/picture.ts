/** Draws one of the texts that people carry by hand as a QR picture. */

import encode from 'qr';

/** The white room around the squares, in squares: readers want so much (ISO/IEC 18004). */
const BORDER = 4;
const NAMESPACE = 'http://www.w3.org/2000/svg';

/** Return a picture that shows `text` to whoever scans it, in capital letters and without its line ends; null when the
 * text is longer than a QR picture can hold. `label` says what it is to those who do not see it.
 *
 * Case and blanks mean nothing in these texts. Capital letters take two thirds of the room of small ones. */
export function draw(text: string, label: string): SVGSVGElement | null {
  const shown = text.toUpperCase().replace(/\s+/g, '');
  let rows: boolean[][];
  try {
    rows = encode(shown, 'raw', { ecc: 'low', encoding: 'alphanumeric', border: BORDER });
  } catch {
    return null;
  }
  const picture = document.createElementNS(NAMESPACE, 'svg') as SVGSVGElement;
  const squares = document.createElementNS(NAMESPACE, 'path');
  const path = rows.flatMap((row, y) => [...row.entries()].filter(([, dark]) => dark).map(([x]) => `M${x} ${y}h1v1h-1z`));
  squares.setAttribute('d', path.join(''));
  picture.setAttribute('viewBox', `0 0 ${rows.length} ${rows.length}`);
  picture.setAttribute('role', 'img');
  picture.setAttribute('aria-label', label);
  picture.setAttribute('shape-rendering', 'crispEdges');
  picture.append(squares);
  return picture;
}
