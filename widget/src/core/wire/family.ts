/** Families: people whom a volunteer has chosen, by a token that it gives to them in a link. */

import { Problem } from '../errors';
import { decodeUrl, encode } from './base64';
import type { Invite } from './invite';

const INFO = new TextEncoder().encode('passerelle family 1 ');
const TAG_BYTES = 16;
export const TOKEN_BYTES = 16;
/** Return the link that holds `token`: an invite for readers. */
export const linkOf = (invite: string, token: string): string => `${invite}&family=${token}`;

/** Return the tag by which a broker knows the family of `token`, in base64. Rejects for what is no token. */
export async function tagOf(token: string, { operator_key }: Pick<Invite, 'operator_key'>): Promise<string> {
  const secret = decodeUrl(token);
  if (secret?.length !== TOKEN_BYTES) throw new Problem('internal');
  const key = await crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const sum = await crypto.subtle.sign('HMAC', key, new Uint8Array([...INFO, ...operator_key]));
  return encode(new Uint8Array(sum, 0, TAG_BYTES));
}
