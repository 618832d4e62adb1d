/** What is altered in a document of the site while it streams through.
 *
 * The inner script stands in front of all others. Tags are taken back that the browser obeys before any script could
 * prevent it: connections to hosts made in advance, which pass the service worker by, and the site's own policy, which
 * names the site's hosts and not the mirror, and would stop the inner script.
 *
 * Bytes are looked at one by one as Latin-1, which keeps every byte whatever the document's encoding is.
 */

import type { Header } from './answer';

/** The script stands before this many bytes, even where the document's beginning is longer. */
const BEGINNING_BYTES = 16_384;
/** A tag that is longer is not looked at. */
const TAG_BYTES = 4096;

const REST_OF_TAG = `(?:[^>"']|"[^"]*"|'[^']*')*>`;
const SKIPPED = `(?:\\s|<!--(?:-?>|[^]*?--!?>)|<\\?[^>]*>)*`;
/** What may stand in front of a document's content, up to the head's own tag. It matches every text. */
const BEGINNING = new RegExp(
  `^(?:\\xef\\xbb\\xbf)?${SKIPPED}(?:<!doctype[^>]*>)?${SKIPPED}(?:<html(?=[\\s/>])${REST_OF_TAG})?` +
  `(?:${SKIPPED}<head(?=[\\s/>])${REST_OF_TAG})?`, 'i');
/** The beginning may go on here. */
const UNFINISHED = /^(?:<(?:[!?]|html[\s/>]|head[\s/>])|.{0,5}$)/is;
const WHOLE_TAG = new RegExp(`^<${REST_OF_TAG}`);
const OBEYED = new RegExp(`<(?:meta|link)\\b${REST_OF_TAG}`, 'gi');
const ATTRIBUTE = /\b(?:rel|http-equiv)\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]*)/gi;
const TAKEN_BACK = /preconnect|dns-prefetch|content-security-policy|x-dns-prefetch-control/gi;

type Bytes = ReadableStream<Uint8Array<ArrayBuffer>>;

/** Return a document in an encoding that has ASCII in it, in which the script's tag can be written. What `headers` say
 * of it is changed accordingly. */
export function asUtf8(body: Bytes, headers: Header[]): Bytes {
  const at = headers.findIndex(([name]) => name === 'content-type');
  const [, type = ''] = headers[at] ?? [];
  const label = /charset\s*=\s*["']?([^"';\s]+)/i.exec(type)?.[1];
  try {
    const { encoding } = new TextDecoder(label);
    if (!encoding.startsWith('utf-16')) return body;
    headers[at] = ['content-type', `${type.split(';')[0]}; charset=utf-8`];
    return body.pipeThrough(new TextDecoderStream(encoding)).pipeThrough(new TextEncoderStream()) as Bytes;
  } catch {
    // Browsers do not know that name either.
    return body;
  }
}

/** Return a stream that alters the HTML document which flows through it. `script` is the tag of the inner script. */
export function altered(script: string): TransformStream<Uint8Array, Uint8Array> {
  let held = '';
  let hasBegun = false;
  const take = (isEnd: boolean): string => {
    if (!hasBegun) {
      const [beginning = ''] = BEGINNING.exec(held) ?? [];
      const isLong = isEnd || held.length >= BEGINNING_BYTES || /<head[^]*>$/i.test(beginning);
      if (!isLong && UNFINISHED.test(held.slice(beginning.length))) return '';
      held = beginning + script + held.slice(beginning.length);
      hasBegun = true;
    }
    const tag = held.lastIndexOf('<');
    const isWhole = isEnd || tag < 0 || WHOLE_TAG.test(held.slice(tag)) || held.length - tag > TAG_BYTES;
    const text = isWhole ? held : held.slice(0, tag);
    held = held.slice(text.length);
    return text.replace(OBEYED, (each) => each.replace(ATTRIBUTE, (attribute) => attribute.replace(TAKEN_BACK, 'none')));
  };
  const put = (controller: TransformStreamDefaultController<Uint8Array>, text: string) => {
    if (text) controller.enqueue(Uint8Array.from(text, (character) => character.charCodeAt(0)));
  };
  return new TransformStream({
    transform(chunk, controller) {
      for (let at = 0; at < chunk.length; at += TAG_BYTES) {
        held += String.fromCharCode(...chunk.subarray(at, at + TAG_BYTES));
      }
      put(controller, take(false));
    },
    flush: (controller) => put(controller, take(true)),
  });
}
