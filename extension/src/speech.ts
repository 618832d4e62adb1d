/** Puts the visitor's language into a page: each node with `data-word` gets the words of that name. */

import * as storage from '../../widget/src/element/site/storage';
import { chooseLanguage, loadLanguage } from '../../widget/src/element/view/language';

/** Translate this page. */
export async function speak(): Promise<Readonly<Record<string, string>>> {
  const { code, words } = await loadLanguage(chooseLanguage([storage.get('language'), ...navigator.languages]));
  const own = words as unknown as Readonly<Record<string, string>>;
  document.documentElement.lang = code;
  document.documentElement.dir = own['dir'] ?? 'ltr';
  for (const node of document.querySelectorAll<HTMLElement>('[data-word]')) {
    node.textContent = own[node.dataset['word'] ?? ''] ?? '';
  }
  document.body.hidden = false;
  return own;
}
