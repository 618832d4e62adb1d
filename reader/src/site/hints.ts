/** Taking out of a document what a browser obeys before anything that a page can say.
 *
 * Hints to connect would lead past the policy and past the service worker to other hosts, or straight to the site. A
 * frame of another host makes the browser connect there before the policy refuses it. A policy of the site names the
 * site's hosts and not the mirror, and would stop the inner script.
 */

import { join, NONE, type Bytes } from '../wire/integers';
import { readTag, referenced, type Attribute } from './tags';

/** A tag that is longer is none. */
const TAG_BYTES = 16_384;
/** Every place is looked at where such a tag may begin, whatever is around it: what is a comment or a script, and what
 * not, is not for sure. */
const TAG = /<(link|meta|iframe|frame|embed|object|template)(?=[\t\n\f\r />])/gi;
const UNFINISHED = /<(?:l|li|lin|link|m|me|met|meta|i|if|ifr|ifra|ifram|iframe|f|fr|fra|fram|frame|e|em|emb|embe|embed|o|ob|obj|obje|objec|object|t|te|tem|temp|templ|templa|templat|template)?$/i;
/** How a closed shadow tree is asked for. */
const CLOSED = /[^=]*=[\t\n\f\r ]*["']?(?=closed(["']?))/iy;
const HINT = /dns-prefetch|preconnect|prerender|content-security-policy/i;

/** What the first letter of a name becomes that is to mean nothing: an x. */
const MEANINGLESS = 0x78;

/** Tells whether an address in a document leads away from the site. */
export type IsOutside = (address: string) => boolean;

/** Return a stream in which the hints of a document, and the addresses of foreign frames, have names that mean nothing.
 *
 * Closed shadow trees become open ones. No byte moves. The stream fails like its source.
 */
export function withoutHints(isOutside: IsOutside): TransformStream<Uint8Array, Uint8Array> {
  // Each byte is one character, whatever the encoding is.
  const latin = new TextDecoder('latin1');
  let held: Bytes = NONE;
  return new TransformStream({
    transform(chunk, controller) {
      const bytes = join([held, chunk]);
      const text = latin.decode(bytes);
      let end = bytes.length - (UNFINISHED.exec(text.slice(-9))?.[0].length ?? 0);
      const known = new Set<number>();
      for (const { index, 0: { length } } of text.matchAll(TAG)) {
        if (known.has(index)) continue;
        const { attributes, isWhole } = readTag(text, index + length);
        const isEndless = !isWhole && text.length - index > TAG_BYTES;
        if (isEndless) bytes[index + 1] = MEANINGLESS;
        else if (!isWhole) end = Math.min(end, index);
        for (const each of attributes) {
          if (leads(each, isOutside)) bytes[each.at] = MEANINGLESS;
          if (each.name === 'shadowrootmode') open(text, bytes, each.at);
          // A tag that begins in this one's attributes has the rest of them for its own.
          for (const { index: inside } of each.name.matchAll(/</g)) {
            known.add(each.at + inside);
            if (isEndless) bytes[each.at + inside + 1] = MEANINGLESS;
          }
        }
      }
      held = bytes.slice(end);
      if (end > 0) controller.enqueue(bytes.subarray(0, end));
    },
    flush(controller) {
      if (held.length > 0) controller.enqueue(held);
    },
  });
}

/** Have the shadow tree be open whose attribute stands at `at`: a click in a closed one tells nobody which link it was on. */
function open(text: string, bytes: Uint8Array, at: number): void {
  CLOSED.lastIndex = at;
  const quote = CLOSED.exec(text)?.[1];
  if (quote !== undefined) bytes.set(Array.from(`open${quote}  `, (character) => character.charCodeAt(0)), CLOSED.lastIndex);
}

/** Tell whether an attribute leads a browser elsewhere before the policy is asked. */
function leads({ name, value }: Attribute, isOutside: IsOutside): boolean {
  switch (name) {
    case 'rel':
    case 'http-equiv':
      return HINT.test(value);
    case 'srcdoc':
      return HINT.test(unwrapped(value));
    case 'src':
    case 'data':
      return isOutside(value);
    default:
      return false;
  }
}

/** Return a document from an attribute with all references undone, those of documents in its own attributes too. */
function unwrapped(text: string): string {
  for (let before = ''; before !== text; text = referenced(text)) before = text;
  return text;
}
