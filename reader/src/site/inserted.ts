/** Putting the inner script in front of all others of a document, while the document streams through.
 *
 * Where it goes is found only in what every HTML parser reads in one way: white space, comments, the declaration, and
 * tags with plain attributes. At anything else the search ends, and the script stands there. So no document, however it
 * is written, has its own scripts in front, nor the inner one inside a comment or an attribute.
 */

import { join, NONE, utf8, type Bytes } from '../wire/integers';

/** The search ends after this many bytes. */
const SEARCHED_BYTES = 16_384;

/** White space, and comments as HTML ends them (HTML Standard §13.2.5.43). An escape may change what bytes mean
 * (ISO-2022-JP), so nothing behind one is looked at. */
const GAP = String.raw`(?:[\t\n\f\r ]|<!--(?!-?>)[^\x1b]*?--!?>)*`;
const ATTRIBUTES = String.raw`(?:[\t\n\f\r ]+[\w:.-]+(?:=(?:"[^"<>\x1b]*"|'[^'<>\x1b]*'|[\w:./-]+))?)*[\t\n\f\r ]*`;
const START = new RegExp(
  String.raw`^(?:\xef\xbb\xbf|\ufeff)?${GAP}(?:<!doctype[^>\x1b]*>${GAP})?(?:<html${ATTRIBUTES}>${GAP})?(?:<head${ATTRIBUTES}>)?`,
  'i',
);
/** What may become a part of the start when more has come. */
const UNDECIDED = /^(?:<(?:!(?!--)[^>]*|!--[^]*|h[^>]*)?)?$/i;

/** Return a stream that inserts `tag` into the HTML document that flows through it.
 *
 * `charset` is the encoding that the answer's header names, if any. Bytes are looked at one by one, which keeps every
 * byte whatever the document's encoding is. Only UTF-16 is not written in such bytes, and becomes UTF-8 with its mark,
 * which every browser believes more than a header.
 */
export function inserted(tag: string, charset: string | null): TransformStream<Uint8Array, Uint8Array> {
  /** What has come and was not sent on; null once the script is in place. */
  let held: Bytes | null = NONE;
  /** Undefined until the encoding is known, which takes four bytes. */
  let wide: TextDecoder | null | undefined;
  const narrow = (bytes: Uint8Array): Uint8Array => (wide ? utf8(wide.decode(bytes, { stream: true })) : bytes);
  const take = (bytes: Uint8Array, controller: TransformStreamDefaultController<Uint8Array>, isEnd: boolean) => {
    if (!held) return controller.enqueue(narrow(bytes));
    held = join([held, wide === undefined ? bytes : narrow(bytes)]);
    if (wide === undefined && (isEnd || held.length >= 4)) {
      wide = wideDecoder(held, charset);
      if (wide) held = join([utf8('\ufeff'), narrow(held)]);
    }
    const text = String.fromCharCode(...held.subarray(0, SEARCHED_BYTES));
    const at = START.exec(text)![0].length;
    if (!isEnd && held.length < SEARCHED_BYTES && (wide === undefined || UNDECIDED.test(text.slice(at)))) return;
    controller.enqueue(join([held.subarray(0, at), utf8(tag), held.subarray(at)]));
    held = null;
  };
  return new TransformStream({
    transform: (bytes, controller) => take(bytes, controller, false),
    flush: (controller) => take(NONE, controller, true),
  });
}

/** Return what decodes a document in UTF-16, which browsers find in this way; null for any other encoding. */
function wideDecoder([a, b, c, d]: Uint8Array, charset: string | null): TextDecoder | null {
  if (a === 0xff && b === 0xfe) return new TextDecoder('utf-16le');
  if (a === 0xfe && b === 0xff) return new TextDecoder('utf-16be');
  if (a === 0xef && b === 0xbb && c === 0xbf) return null;
  // A declaration of XML in UTF-16 is one, too.
  if (charset === null && !b && !d && a === 0x3c && c === 0x3f) return new TextDecoder('utf-16le');
  if (charset === null && !a && !c && b === 0x3c && d === 0x3f) return new TextDecoder('utf-16be');
  try {
    const named = new TextDecoder(charset ?? 'utf-8');
    return named.encoding.startsWith('utf-16') ? named : null;
  } catch {
    return null;
  }
}
