/** Undoing an answer's content encoding. A browser does not do that for a made-up `Response`. */

import type { Header } from './answer';

/** What a request says it takes. Browsers decode no others in a page. */
export const ACCEPTED = 'gzip, deflate';

const FORMATS: Readonly<Record<string, CompressionFormat>> = { gzip: 'gzip', 'x-gzip': 'gzip', deflate: 'deflate' };

type Bytes = ReadableStream<Uint8Array<ArrayBuffer>>;

/** Return `body` decoded, and whether anything was undone. Null for an encoding that is unknown. */
export function decoded(body: Bytes, headers: readonly Header[]): { readonly body: Bytes; readonly undone: boolean } | null {
  const names = headers
    .filter(([name]) => name === 'content-encoding')
    .flatMap(([, value]) => value.toLowerCase().split(','))
    .map((name) => name.trim())
    .filter((name) => name && name !== 'identity');
  let undone = body;
  for (const name of names.reverse()) {
    const format = FORMATS[name];
    if (!format) return null;
    undone = undone.pipeThrough(new DecompressionStream(format));
  }
  return { body: undone, undone: names.length > 0 };
}
