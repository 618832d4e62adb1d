/** Asks by itself for a page that the site did not give, while somebody looks: a name that was not found for a moment, or
 * a site that restarts, costs the reader no button. */

import { element } from '../face/element';
import type { View } from '../page/page';
import type { Trouble } from '../trouble';
import { sentence } from './sentences';

/** How long each try is waited for. A restart takes seconds, so the first comes soon. A site that is away for longer than
 * all of them is left to the reader's button, so that pages which nobody closes do not ask it for ever. */
const PAUSES_S: readonly number[] = [5, 10, 20, 40, 80, 160];

let tries = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Learn what is wrong with the site now; null when a page came. The sign says how long the next try is waited for. */
export function again(trouble: Trouble | null, view: View | null, sign: HTMLElement): void {
  if (trouble === null) tries = 0;
  const left_s = PAUSES_S[tries];
  if (trouble !== 'site_silent' || !view || view.isThere || left_s === undefined) stop(sign);
  else if (timer === undefined) {
    tries += 1;
    // Who presses the button does not want that try to be broken off for another one.
    sign.onclick = ({ target }) => {
      if ((target as Element).closest('.again')) stop(sign);
    };
    count(left_s, location.href, view, sign);
  }
}

/** Count down the seconds in which the page is visible, and ask at the end; stop when the reader goes elsewhere. */
function count(left_s: number, address: string, view: View, sign: HTMLElement): void {
  // A form may have been sent meanwhile, which is not to be sent twice.
  const isWanted = location.href === address && !view.isThere;
  if (left_s === 0 || !isWanted) {
    stop(sign);
    if (isWanted) view.again(false);
    return;
  }
  tell(sign, sentence('retry', { n: String(left_s) }));
  timer = setTimeout(() => count(document.hidden ? left_s : left_s - 1, address, view, sign), 1000);
}

function stop(sign: HTMLElement): void {
  clearTimeout(timer);
  timer = undefined;
  tell(sign, '');
}

/** Say `text` below what is wrong. The sign is drawn anew when anything changes, and loses it then until the next second. */
function tell(sign: HTMLElement, text: string): void {
  const place = sign.querySelector('.retry');
  if (!text) place?.remove();
  else if (place) place.textContent = text;
  else sign.querySelector('.trouble')?.after(element('p', { class: 'retry' }, text));
}
