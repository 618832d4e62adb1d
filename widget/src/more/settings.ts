/** The visitor's limits and language. Every change is in force at once, and kept on this site. */

import type { SwitchSettings } from '../core/switch/settings';
import { make } from '../element/view/dom';
import type { Language } from '../element/view/language';
import { LANGUAGE_NAMES } from './languages';

export interface SettingsEvents {
  /** `name` is an attribute's; an empty value leaves it to the page. */
  chosen(name: string, value: string): void;
  speak(code: string): void;
  forget(): void;
}

const DAY = { from: 22 * 60, to: 7 * 60 };

/** Fill `place` with the settings as they are. */
export function open(
  place: HTMLElement,
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
  place.replaceChildren(
    amount('people', '1', '64'),
    amount('mbit', '0.1', '10000'),
    amount('megabytes', '1', '10000000'),
    ...hours(words, settings, put),
    pause('battery'),
    pause('metered'),
    pause('background'),
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
  const { from, to } = settings.hours ?? DAY;
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

const clock = (minutes: number): string =>
  [Math.floor(minutes / 60) % 24, minutes % 60].map((part) => String(part).padStart(2, '0')).join(':');
