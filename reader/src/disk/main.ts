/** What whoever opens a mirror's `index.html` from a disk reads: which file works there. Nobody else loads it. */

import { choose } from '../face/words';
import sentences from './sentences.json';

const language = choose(navigator.languages);
const { documentElement, body } = document;
const said = body.firstElementChild as HTMLElement;
documentElement.lang = said.lang = language;
documentElement.dir = ['ar', 'fa', 'ug'].includes(language) ? 'rtl' : 'ltr';
said.textContent = (sentences as Readonly<Record<string, string>>)[language]!;
