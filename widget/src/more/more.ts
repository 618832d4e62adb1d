/** Entry of the file that is fetched at the first press: the rest of the English words and of the styles, the consent
 * text, the settings, and examples for designers. */

import { makeSheet } from '../element/view/stylesheet';
import english from '../words/en.json';
import CSS from './later.css';

export { LiveView } from './live';
export { mistakes } from './mistakes';
export { openSettings } from './settings';
export { isSeen } from './sight';
export { example } from './example';
export { english };

/** The rest of the styles. */
export const laterStyle = makeSheet(CSS);
