/** Tells the reader in a sentence what an article cannot do, so that no button stays silent. */

import { button, element } from '../face/element';
import { spoken } from '../face/words';
import type { Inability } from './forms';
import sentences from './sentences.json';

/** Show the sentence in the page's language, until the reader closes it. */
export function tell(inability: Inability): void {
  // One at a time, however often a button is pressed.
  if (document.querySelector('dialog')) return;
  const known = spoken(sentences);
  const dialog: HTMLDialogElement = element('dialog', { 'aria-labelledby': 'cannot' },
    element('p', { id: 'cannot' }, known[inability]),
    element('p', { class: 'buttons' }, button(known.back, 'start', () => dialog.remove())));
  dialog.onclose = () => dialog.remove();
  document.body.append(dialog);
  dialog.showModal();
}
