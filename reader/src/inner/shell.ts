/** The page around the site's, as all documents of the site reach it. */

import type { Frame } from '../shell/frame';

export const shell = (top as unknown as { readonly passerelle?: Frame }).passerelle;
