/** Finds what in a tag has no meaning, so that a publisher's slip of the pen is not passed over in silence. */

import { readSettings, SETTINGS } from '../core/switch/settings';
import { parse } from '../core/wire/invite';
import { EXAMPLES } from './example';

/** The attributes that take one of a few words. */
const WORDS: Readonly<Record<string, RegExp>> = {
  layout: /^(panel|inline|banner|floating)$/,
  theme: /^(auto|light|dark)$/,
  corner: /^(top|bottom)-(left|right)$/,
  map: /^none$/,
  keep: /^none$/,
  chromium: /^https:\/\//,
  firefox: /^https:\/\//,
};
/** The settings that are numbers. */
const NUMBERS = ['people', 'lanes', 'mbit', 'megabytes'] as const;
/** Further attributes that may stand in the tag. A name with a hyphen or a colon is for another script. */
const OTHER = /^(mock|class|tabindex|exportparts)$|\W/;

/** Return a sentence for each attribute of `element` that has no meaning, one for a network that is none, and one for
 * a tag that swallowed a part of the page. */
export function mistakes(element: HTMLElement): string[] {
  const found = [...element.attributes]
    .filter(({ name, value }) => !hasMeaning(element, name, value))
    .map(({ name, value }) => `${name}="${value}" has no meaning here, and is ignored.`);
  const read = readSettings((name) => element.getAttribute(name));
  for (const name of NUMBERS) {
    const text = element.getAttribute(name);
    if (text === null || text === 'none' || !hasMeaning(element, name, text) || Number(text) === read[name]) continue;
    found.push(`${name}="${text}" is taken for ${read[name]}.`);
  }
  const mock = element.getAttribute('mock');
  if (mock && !EXAMPLES[mock]) found.push(`mock="${mock}" is taken for "helping".`);
  if (mock === null && !isInvite(element.getAttribute('network') ?? '')) {
    found.push('The attribute network is no invite, so nobody can help. Copy the tag from the network’s page /embed.');
  }
  if (element.childElementCount > 0) {
    found.push('The page after this tag is not shown. Close the tag with </passerelle-switch>; "/>" does not close it.');
  }
  return found;
}

function isInvite(text: string): boolean {
  try {
    return !!parse(text);
  } catch {
    return false;
  }
}

function hasMeaning(element: HTMLElement, name: string, value: string): boolean {
  if (WORDS[name]) return WORDS[name].test(value);
  let isSense = (SETTINGS as readonly string[]).includes(name) || name in element || OTHER.test(name);
  readSettings(
    (setting) => (setting === name ? value : null),
    // This source is asked only for a setting to which the value before gave no sense.
    (setting) => void (isSense &&= setting !== name),
  );
  return isSense;
}
