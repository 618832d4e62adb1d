/** The later part as a file of its own, with what only the shell of a mirror wants. */

import { Introducer } from '../links/introducer';
import { guard } from '../shell/leaving';
import { later } from './later';

const file: typeof later & { readonly guard: typeof guard } = {
  ...later,
  guard,
  bring(pool, media) {
    pool?.lead(Introducer);
    return later.bring(pool, media);
  },
};

export type LaterFile = typeof file;

declare global {
  var passerelleLater: LaterFile | undefined;
}

globalThis.passerelleLater = file;
