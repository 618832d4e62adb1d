/** What is read in place of a mirror's page that cannot begin: because it was opened from a disk, or because one of its
 * files is missing or was altered. Nobody else loads it. */

import { choose } from '../face/words';
import sentences from './sentences.json';

type Sentences = Readonly<Record<string, { readonly disk: string; readonly altered: string }>>;

const language = choose(navigator.languages);
const { documentElement, body } = document;
const said = body.firstElementChild as HTMLElement;
documentElement.lang = said.lang = language;
documentElement.dir = ['ar', 'fa', 'ug'].includes(language) ? 'rtl' : 'ltr';
said.textContent = (sentences as Sentences)[language]![location.protocol === 'file:' ? 'disk' : 'altered'];
