/** Undoing an answer's content encoding. A browser does not do that for a made-up `Response`. */

import { PACKED_PIECE_BYTES } from '../limits';
import type { Header } from './answer';

/** What a request says it takes. Browsers decode no others in a page. */
export const ACCEPTED = 'gzip, deflate';

const FORMATS: Readonly<Record<string, CompressionFormat>> = { gzip: 'gzip', 'x-gzip': 'gzip', deflate: 'deflate' };

type Bytes = ReadableStream<Uint8Array<ArrayBuffer>>;

/** Return `body` decoded, and whether anything was undone. Null for an encoding that is unknown, and for more than one:
 * no site packs twice, and each packing more makes a thousand times as many bytes of one. */
export function decoded(body: Bytes, headers: readonly Header[]): { readonly body: Bytes; readonly undone: boolean } | null {
  const names = headers
    .filter(([name]) => name === 'content-encoding')
    .flatMap(([, value]) => value.toLowerCase().split(','))
    .map((name) => name.trim())
    .filter((name) => name && name !== 'identity');
  const [name] = names;
  if (name === undefined) return { body, undone: false };
  const format = Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined;
  if (!format || names.length > 1) return null;
  return { body: body.pipeThrough(inPieces()).pipeThrough(new DecompressionStream(format)), undone: true };
}

/** A browser decodes all that it is given at once, however much that becomes. So it is given little. */
function inPieces(): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  return new TransformStream({
    transform(chunk, controller) {
      for (let at = 0; at < chunk.length; at += PACKED_PIECE_BYTES) {
        controller.enqueue(chunk.subarray(at, at + PACKED_PIECE_BYTES));
      }
    },
  });
}
