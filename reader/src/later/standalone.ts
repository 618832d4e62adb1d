/** The later part as a file of its own. */

import { later, type Later } from './later';

declare global {
  var passerelleLater: Later | undefined;
}

globalThis.passerelleLater = later;
