/** Invite URLs: they say where a network's descriptor is, and which key must have signed it.
 *
 * An invite is `https://broker.example/#KEY`, where KEY is the operator's Ed25519 public key in base64url.
 */

import { Problem } from '../errors';
import { INVITE_CHARS } from '../limits';
import { decodeUrl } from './base64';
import { clean, visible } from './pasted';

export interface Invite {
  /** Base URL of a broker, without a trailing slash. */
  readonly url: string;
  /** The operator's Ed25519 public key, 32 bytes. */
  readonly operator_key: Uint8Array<ArrayBuffer>;
}

const SHAPE = /^(https?):\/\/([^/?#@\s]+)((?:\/[^?#\s]*)?)\??#([\w-]+)$/i;

/** An invite inside a sentence, or in the marks by which texts name a link: `<…>`, `[…](…)`. */
const WITHIN =
  /(?:^|[^a-z\d])(https?:\/\/(?:\[[\da-f:.]+\])?[^\s<>()[\]|`"“”]*(?:#|%23)[\w-]{43})_?(?:[\s<>()[\]|`"“”*.,;:!?»’…]|$)/i;

/** Read an invite. It may stand in a sentence. Throws Problem('invite'). */
export function parse(text: string): Invite {
  const shown = visible(text.slice(0, 2 * INVITE_CHARS));
  let cleaned = clean(WITHIN.exec(shown)?.[1] ?? shown);
  // Programs that rewrite links may escape the #.
  if (!cleaned.includes('#')) cleaned = cleaned.replace('%23', '#');
  const match = cleaned.length <= INVITE_CHARS ? SHAPE.exec(cleaned) : null;
  const [, scheme = '', host = '', path = '', key = ''] = match ?? [];
  const operator_key = decodeUrl(key);
  const url = `${scheme.toLowerCase()}://${host}${path.replace(/\/+$/, '')}`;
  if (operator_key?.length !== 32 || !URL.canParse(url) || new URL(url).port === '0') {
    throw new Problem('invite');
  }
  return Object.freeze({ url, operator_key });
}
