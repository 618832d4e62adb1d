/** What is needed only after the first press: the rest of the English words and of the look,
 * what lives while it is on, settings, and examples for designers. */

import english from '../words/en.json';
import { make } from '../element/view/stylesheet';
import CSS from './later.css';

export { LiveView } from './live';
export { open } from './settings';
export { example } from './example';
export { english };

export const later = make(CSS);
