/** The form with the visitor's limits and language. Every change takes effect at once, and is stored on this
 * site. */

import { SLOTS } from '../core/limits';
import { clock, SLOWEST_MBIT, type SwitchSettings } from '../core/switch/settings';
import { encodeUrl } from '../core/wire/base64';
import { linkOf, TOKEN_BYTES } from '../core/wire/family';
import { make } from '../element/view/dom';
import type { Language } from '../element/view/language';
import { LANGUAGE_NAMES } from './languages';

export interface SettingsEvents {
  /** Whether there is a setting for the time in which no tab of the site is visible. */
  readonly mayHide: boolean;
  /** The network's invite. */
  readonly network: string;
  /** The visitor chose `value` for the setting `name`. An empty value leaves the setting to the page. */
  chosen(name: string, value: string): void;
  /** The visitor chose the language `code`. */
  speak(code: string): void;
  /** The visitor wants everything turned off and forgotten. */
  forget(): void;
}

/** The hours that are offered first. */
const USUAL_HOURS = { from: 22 * 60, to: 7 * 60 };

/** Fill `container` with a form that shows `settings`. */
export function openSettings(
  container: HTMLElement,
  { code, words }: Language,
  settings: SwitchSettings,
  events: SettingsEvents,
): void {
  const put = (name: string, value: string) => events.chosen(name, value);
  const amount = (name: 'people' | 'mbit' | 'megabytes', step: string, most: string) => {
    const given = settings[name];
    const input = make('input', {
      type: 'number',
      inputmode: 'decimal',
      min: step,
      step,
      max: most,
      value: Number.isFinite(given) ? String(given) : '',
      placeholder: words.no_limit,
    });
    input.addEventListener('change', () => {
      if (input.checkValidity()) put(name, input.value || 'none');
    });
    return make('label', { class: 'row' }, make('span', {}, words[name]), input);
  };
  const pause = (name: 'battery' | 'metered' | 'background') => {
    const input = make('input', { type: 'checkbox' });
    input.checked = !settings[name];
    input.addEventListener('change', () => put(name, input.checked ? 'pause' : 'run'));
    return make('label', {}, input, words[`${name}_pause`]);
  };
  const language = make(
    'select',
    {},
    ...Object.entries(LANGUAGE_NAMES).map(([value, name]) => make('option', { value, lang: value }, name)),
  );
  language.value = code;
  language.addEventListener('change', () => events.speak(language.value));
  const forget = make('button', { class: 'link', type: 'button' }, words.forget);
  forget.addEventListener('click', () => events.forget());
  container.replaceChildren(
    amount('people', '1', String(SLOTS)),
    amount('mbit', String(SLOWEST_MBIT), '10000'),
    amount('megabytes', '1', '10000000'),
    ...hours(words, settings, put),
    pause('battery'),
    pause('metered'),
    ...(events.mayHide ? [pause('background')] : []),
    ...family(words, settings, events),
    make('label', { class: 'row' }, make('span', {}, words.language), language),
    forget,
  );
}

function hours(
  words: Language['words'],
  settings: SwitchSettings,
  put: (name: string, value: string) => void,
): HTMLElement[] {
  const is = make('input', { type: 'checkbox' });
  const { from, to } = settings.hours ?? USUAL_HOURS;
  const begin = make('input', { type: 'time', value: clock(from), required: '' });
  const end = make('input', { type: 'time', value: clock(to), required: '' });
  const row = make(
    'div',
    { class: 'hours' },
    make('label', {}, words.from, begin),
    make('label', {}, words.to, end),
  );
  const say = () => {
    row.hidden = !is.checked;
    if (begin.value && end.value) put('hours', is.checked ? `${begin.value}-${end.value}` : 'always');
  };
  is.checked = settings.hours !== null;
  row.hidden = !is.checked;
  for (const input of [is, begin, end]) input.addEventListener('change', say);
  return [make('label', {}, is, words.hours), row];
}

/** Return the choice to help only people who have a link, and the link. Each time it is chosen the link is a new one. */
function family(words: Language['words'], settings: SwitchSettings, { network, chosen }: SettingsEvents): HTMLElement[] {
  const is = make('input', { type: 'checkbox' });
  const link = make('input', { type: 'text', dir: 'ltr', readonly: '' });
  const row = make('div', { class: 'family' }, make('label', {}, words.family_link, link), make('p', {}, words.family_how));
  const show = (token: string) => {
    is.checked = token !== '';
    row.hidden = !is.checked;
    link.value = token && linkOf(network, token);
  };
  is.addEventListener('change', () => {
    const token = is.checked ? encodeUrl(crypto.getRandomValues(new Uint8Array(TOKEN_BYTES))) : '';
    chosen('family', token);
    show(token);
  });
  link.addEventListener('focus', () => link.select());
  show(settings.family);
  return [make('label', {}, is, words.family), row];
}
