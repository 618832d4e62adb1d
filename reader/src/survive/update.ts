/** Which update of the worker is taken while the site cannot be reached.
 *
 * At each visit the browser itself looks for a newer file, and no script can stop that or see what came. Whoever answers in
 * the site's place could so put a program of their own here, and it would stay after the block. A script can end the
 * registration, though: then no worker is left for the next visit, neither theirs nor this one. That is done with every
 * update found then, unless a newer file with the network's signature lies at the same address.
 */

import { decode, decodeUrl } from '../../../widget/src/core/wire/base64';
import { SURVIVE_FILE_BYTES, SURVIVE_HEAD_BYTES } from '../limits';
import { bodyOf } from '../wire/bounded';
import { asked } from './genuine';
import { MADE_S, OPERATOR } from './page';

/** Stands in front of what is signed, with the time in Unix seconds and a zero byte behind it, and then the rest of the file. */
const CONTEXT = 'passerelle survive 1\0';
const SIGNED = /^\/\/ Passerelle[^\n]*\n\/\/ Signed (\d{10}) ([\w+/=]{88})\n/;

/** Tell whether a file that the network's operator signed after this one lies at `file`. */
export async function isNewer(file: URL): Promise<boolean> {
  try {
    const bytes = await bodyOf(await asked(file), SURVIVE_FILE_BYTES);
    const found = SIGNED.exec(new TextDecoder().decode(bytes.subarray(0, SURVIVE_HEAD_BYTES)));
    // An old file may be repeated, and where this one lies there is no update to take.
    if (!found || Number(found[1]) <= MADE_S) return false;
    const key = await crypto.subtle.importKey('raw', decodeUrl(OPERATOR)!, 'Ed25519', false, ['verify']);
    const text = new Blob([`${CONTEXT}${found[1]}\0`, bytes.subarray(found[0].length)]);
    return await crypto.subtle.verify('Ed25519', key, decode(found[2]!)!, await text.arrayBuffer());
  } catch {
    return false;
  }
}
