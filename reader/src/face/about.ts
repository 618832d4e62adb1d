/** What the sign shows when it is opened. */

import type { ChipEvents, ChipState } from './chip';
import { button, element } from './element';
import { languages } from './notice';
import { fill, type Words } from './words';

/** Hosts that were left out and are named, at most. */
const NAMED_HOSTS = 20;

export function about({ words, language, site, isArticle, leftOut }: ChipState, events: ChipEvents): HTMLElement {
  const text = (name: Exclude<keyof Words, 'reasons'>) => fill(words[name], { site });
  const about = element('div', { class: 'about' }, element('p', {}, text('login')));
  if (isArticle) about.append(element('p', {}, text('article_only')));
  if (leftOut.size > 0) {
    const hosts = [...leftOut].slice(-NAMED_HOSTS).map((host) => element('li', {}, element('bdi', { dir: 'ltr' }, host)));
    about.append(element('p', {}, text('left_out')), element('ul', {}, ...hosts));
  }
  about.append(
    languages(words, language, events.language),
    button(text('forget'), 'forget', () => events.forget()),
    element('p', { class: 'small' }, text('forget_how')),
  );
  return about;
}
