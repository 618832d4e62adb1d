/** Putting the inner script in front of all others of a document, while the document streams through. */

/** The script belongs before this many bytes, even where nothing that looks like a head was found. */
const SEARCHED_BYTES = 16_384;

const HEAD = /<head(?:\s[^>]*)?>/i;
/** Where a document without a head begins, behind a mark of UTF-8, comments and declarations. */
const START = /^(?:\xef\xbb\xbf)?(?:\s|<!--[^]*?-->)*(?:<!doctype[^>]*>)?(?:\s|<!--[^]*?-->)*(?:<html(?:\s[^>]*)?>)?/i;

/** Return a stream that inserts `tag` into the HTML document that flows through it.
 *
 * Bytes are looked at one by one as Latin-1, which keeps every byte whatever the document's encoding is.
 */
export function inserted(tag: string): TransformStream<Uint8Array, Uint8Array> {
  let held: number[] | null = [];
  const flush = (controller: TransformStreamDefaultController<Uint8Array>) => {
    if (!held) return;
    const text = String.fromCharCode(...held);
    const match = HEAD.exec(text) ?? START.exec(text);
    const at = match ? match.index + match[0].length : 0;
    controller.enqueue(Uint8Array.from(held.slice(0, at)));
    controller.enqueue(new TextEncoder().encode(tag));
    controller.enqueue(Uint8Array.from(held.slice(at)));
    held = null;
  };
  return new TransformStream({
    transform(chunk, controller) {
      if (!held) {
        controller.enqueue(chunk);
        return;
      }
      const room = SEARCHED_BYTES - held.length;
      for (const byte of chunk.subarray(0, room)) held.push(byte);
      if (held.length >= SEARCHED_BYTES || HEAD.test(String.fromCharCode(...held))) {
        flush(controller);
        if (chunk.length > room) controller.enqueue(chunk.subarray(room));
      }
    },
    flush,
  });
}
