/** What is read before anything is connected: who sees what, and one button. */

import type { Trouble } from '../trouble';
import { button, element } from './element';
import { fill, LANGUAGES, type Words } from './words';

export interface NoticeEvents {
  /** The reader wants to read. `remember` says not to ask again. */
  start(remember: boolean): void;
  leave(): void;
  again(): void;
  language(language: string): void;
}

/** Return the notice for the site called `site`. `trouble` is why this browser cannot read it, if it cannot; with an
 * `altered` style the reader may go on. */
export function notice(words: Words, language: string, site: string, trouble: Trouble | null, events: NoticeEvents): HTMLElement {
  const unable = trouble !== 'altered' && trouble;
  const text = (name: Exclude<keyof Words, 'reasons'>) => fill(words[name], { site });
  const remember = element('input', { type: 'checkbox' });
  const parties = (['provider', 'volunteers', 'operator', 'site_sees'] as const).flatMap((party) => [
    element('dt', {}, text(party)),
    element('dd', {}, text(`${party}_how`)),
  ]);
  return element('main', { class: 'notice' },
    languages(words, language, events.language),
    element('h1', {}, text('title')),
    element('p', { class: 'lead' }, text('lead')),
    ...(trouble ? [element('p', { class: 'unable' }, fill(words.reasons[trouble], { site }))] : []),
    element('p', { class: 'danger' }, text('danger')),
    element('h2', {}, text('who')),
    element('dl', {}, ...parties),
    ...(unable ? [] : [element('label', { class: 'remember' }, remember, text('remember'))]),
    element('p', { class: 'buttons' },
      unable
        ? button(text('again'), 'start', () => events.again())
        : button(text('start'), 'start', () => events.start(remember.checked)),
      button(text('leave'), 'leave', () => events.leave())),
  );
}

/** Return the choice of a language. */
export function languages(words: Words, language: string, choose: (language: string) => void): HTMLElement {
  const select = element('select', { class: 'choice', 'aria-label': words.language });
  for (const [tag, name] of Object.entries(LANGUAGES)) select.append(element('option', { value: tag, lang: tag }, name));
  select.value = language;
  select.onchange = () => choose(select.value);
  return element('p', { class: 'language' }, select);
}
