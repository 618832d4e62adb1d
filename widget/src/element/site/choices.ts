/** The visitor's own settings, kept on this site; they go before the page's attributes. */

import { SETTINGS } from '../../core/switch/settings';
import * as keep from './storage';

export type VisitorChoices = ReadonlyMap<string, string>;

/** Read what was chosen; whatever else is there counts as nothing. */
export function readChoices(): VisitorChoices {
  try {
    const given = Object.entries(JSON.parse(keep.get('choices') ?? '{}') as object);
    return new Map(given.filter(([name, value]) => isSetting(name) && typeof value === 'string'));
  } catch {
    return new Map();
  }
}

/** Choose `value` for a setting; an empty one leaves it to the page. */
export function setChoice(name: string, value: string): void {
  const all = new Map(readChoices());
  if (value) all.set(name, value);
  else all.delete(name);
  keep.set('choices', JSON.stringify(Object.fromEntries(all)));
}

const isSetting = (name: string) => (SETTINGS as readonly string[]).includes(name);
