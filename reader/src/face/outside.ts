/** The question before an address outside the site is opened, which only the reader may decide. */

import { sentence } from '../later/sentences';
import { button, element } from './element';
import { openTab } from './newtab';

/** Return a dialogue about `address`. `close` is called when it is done. */
export function outside(site: string, address: string, close: () => void): HTMLDialogElement {
  const url = URL.canParse(address) ? new URL(address) : null;
  const isWeb = url !== null && /^https?:$/.test(url.protocol);
  const host = url?.host ?? '';
  const open = () => {
    if (isWeb) openTab(url.href);
    close();
  };
  const dialog = element('dialog', { class: 'outside', 'aria-labelledby': 'outside' },
    element('h2', { id: 'outside' }, sentence('outside', { site })),
    element('p', {}, sentence('outside_how', { site, host })),
    element('p', { class: 'address', dir: 'ltr' }, address.slice(0, 300)),
    element('p', { class: 'buttons' },
      button(sentence('back', {}), 'start', close),
      ...(isWeb ? [button(sentence('outside_open', {}), 'leave', open)] : [])));
  dialog.onclose = close;
  return dialog;
}
