/** The settings that the visitor chose, stored on this site. They go before the page's attributes. */

import { SETTINGS } from '../../core/switch/settings';
import * as storage from './storage';

/** Return the visitor's choices by the names of settings. Anything else in the stored value is ignored. */
export function readChoices(): ReadonlyMap<string, string> {
  try {
    const given = Object.entries(JSON.parse(storage.get('choices') ?? '{}') as object);
    return new Map(given.filter(([name, value]) => isSetting(name) && typeof value === 'string'));
  } catch {
    return new Map();
  }
}

/** Store `value` for a setting. An empty value leaves the setting to the page. */
export function setChoice(name: string, value: string): void {
  const all = new Map(readChoices());
  if (value) all.set(name, value);
  else all.delete(name);
  storage.set('choices', JSON.stringify(Object.fromEntries(all)));
}

const isSetting = (name: string) => (SETTINGS as readonly string[]).includes(name);
