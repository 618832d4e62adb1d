/** Tells the reader in a sentence what an article cannot do, so that no button stays silent. */

import { button, element } from '../face/element';
import type { Inability } from './forms';
import sentences from './sentences.json';

type Sentences = Readonly<Record<Inability | 'back', string>>;

/** Show the sentence in the page's language, until the reader closes it. */
export function tell(inability: Inability): void {
  // One at a time, however often a button is pressed.
  if (document.querySelector('dialog')) return;
  const { lang } = document.documentElement;
  const known = (sentences as Readonly<Record<string, Sentences>>)[lang] ?? sentences.en;
  const dialog: HTMLDialogElement = element('dialog', { 'aria-labelledby': 'cannot' },
    element('p', { id: 'cannot' }, known[inability]),
    element('p', { class: 'buttons' }, button(known.back, 'start', () => dialog.remove())));
  dialog.onclose = () => dialog.remove();
  document.body.append(dialog);
  dialog.showModal();
}
