/** Entry of the file that is fetched when the switch is on: the words and the view for that time. */

import english from '../words/en.json';

export { OnView } from './view';
export { english };
