/** The later part as a file of its own, with what only the shell of a mirror wants. */

import { introducer } from '../links/introducer';
import type { LinkPool } from '../links/pool';
import { guard } from '../shell/leaving';
import { later } from './later';

/** The pool that asks brokers through the gateway, too. */
let led: LinkPool | null = null;

const file: typeof later & { readonly guard: typeof guard } = {
  ...later,
  guard,
  bring(pool, media) {
    if (pool && pool !== led) pool.lead(introducer);
    led = pool;
    return later.bring(pool, media);
  },
};

export type LaterFile = typeof file;

declare global {
  var passerelleLater: LaterFile | undefined;
}

globalThis.passerelleLater = file;
