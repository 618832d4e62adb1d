/** Taking out of a document what a browser obeys before anything that a page can say.
 *
 * Hints to connect would lead past the policy and past the service worker to other hosts, or straight to the site. A
 * policy of the site names the site's hosts and not the mirror, and would stop the inner script.
 */

import { join, NONE, type Bytes } from '../wire/integers';

/** A tag that is longer flows on as it is. */
const TAG_BYTES = 4096;
const TAG = /<(?:link|meta)\b[^>]*>/gi;
const HINT = /dns-prefetch|preconnect|prerender|content-security-policy/gi;
const UNFINISHED = /<(?:l|li|lin|m|me|met|(?:link|meta)(?:[^\w>][^>]*)?)?$/i;

/** Return a stream that makes the hints in a document into words that mean nothing. No byte moves. */
export function withoutHints(): TransformStream<Uint8Array, Uint8Array> {
  // Each byte is one character, whatever the encoding is.
  const latin = new TextDecoder('latin1');
  let held: Bytes = NONE;
  return new TransformStream({
    transform(chunk, controller) {
      const bytes = join([held, chunk]);
      const text = latin.decode(bytes);
      for (const tag of text.matchAll(TAG)) {
        for (const hint of tag[0].matchAll(HINT)) bytes[tag.index + hint.index] = 0x78;
      }
      const tail = UNFINISHED.exec(text.slice(-TAG_BYTES));
      const end = bytes.length - (tail?.[0].length ?? 0);
      held = bytes.slice(end);
      if (end > 0) controller.enqueue(bytes.subarray(0, end));
    },
    flush(controller) {
      if (held.length > 0) controller.enqueue(held);
    },
  });
}
