/** What the sign shows when it is opened. */

import { sentence } from '../later/sentences';
import type { ChipEvents, ChipState } from './chip';
import { button, element } from './element';
import { languages } from './notice';

/** Hosts that were left out and are named, at most. */
const NAMED_HOSTS = 20;

export function about({ words, language, site, isArticle, leftOut }: ChipState, events: ChipEvents): HTMLElement {
  const about = element('div', { class: 'about' }, element('p', {}, sentence('login', { site })));
  if (isArticle) about.append(element('p', {}, sentence('article_only', { site })));
  if (leftOut.size > 0) {
    const hosts = [...leftOut].slice(-NAMED_HOSTS).map((host) => element('li', {}, element('bdi', { dir: 'ltr' }, host)));
    about.append(element('p', {}, sentence('left_out', { site })), element('ul', {}, ...hosts));
  }
  about.append(
    languages(words, language, events.language),
    button(words.forget, 'forget', () => events.forget()),
    element('p', { class: 'small' }, sentence('forget_how', { site })),
  );
  return about;
}
