/** The later part as a file of its own, with what only the shell of a mirror wants. */

import { guard } from '../shell/leaving';
import { later } from './later';

const file = { ...later, guard };

export type LaterFile = typeof file;

declare global {
  var passerelleLater: LaterFile | undefined;
}

globalThis.passerelleLater = file;
