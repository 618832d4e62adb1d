/** Links with video as a file of their own: one script for the page, and for its Worker. */

import { isAble, Media } from './media';
import { work } from './worker';

declare global {
  /** Null where this browser cannot do it. */
  var passerelleMedia: typeof Media | null | undefined;
}

if (typeof document === 'undefined') work();
else globalThis.passerelleMedia = isAble() ? Media : null;
