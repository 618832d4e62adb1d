/** The question before an address outside the site is opened, which only the reader may decide. */

import { button, element } from './element';
import { fill, type Words } from './words';

/** Return a dialogue about `address`. `close` is called when it is done. */
export function outside(words: Words, site: string, address: string, close: () => void): HTMLDialogElement {
  const url = URL.canParse(address) ? new URL(address) : null;
  const isWeb = url !== null && /^https?:$/.test(url.protocol);
  const host = url?.host ?? '';
  const open = () => {
    // Neither the opened page nor its server learns where it was opened from.
    if (isWeb) window.open(url.href, '_blank', 'noopener,noreferrer');
    close();
  };
  const dialog = element('dialog', { class: 'outside', 'aria-labelledby': 'outside' },
    element('h2', { id: 'outside' }, fill(words.outside, { site })),
    element('p', {}, fill(words.outside_how, { site, host })),
    element('p', { class: 'address', dir: 'ltr' }, address.slice(0, 300)),
    element('p', { class: 'buttons' },
      button(words.back, 'start', close),
      ...(isWeb ? [button(words.outside_open, 'leave', open)] : [])));
  dialog.onclose = close;
  return dialog;
}
