/** Sealed messages as text that people copy and paste.
 *
 * The reader sends `passerelle-ask1:LETTERS.`, and `passerelle-answer1:LETTERS.` goes back. LETTERS are
 * base32 of the sealed message and the first 4 bytes of its SHA-256.
 */

import { TEXT_SEALED_BYTES } from '../limits';
import { visible } from './pasted';

const LETTERS = 'abcdefghijklmnopqrstuvwxyz234567';
const ASK = 'passerelle-ask1:';
const ANSWER = 'passerelle-answer1:';
const CHECK_BYTES = 4;
/** The lines of a text, of 72 characters each. */
const LINES = /.{1,72}/g;
const TEXT_CHARS = 4 * TEXT_SEALED_BYTES;

/** Return the sealed request in a pasted text; null when the text holds no whole request. */
export const readAsk = (text: string): Promise<Uint8Array<ArrayBuffer> | null> =>
  read(/passerelle-ask1:([a-z2-7\s>]*)\./, text);

/** Return the sealed reply in a pasted text; null when the text holds no whole reply. */
export const readAnswer = (text: string): Promise<Uint8Array<ArrayBuffer> | null> =>
  read(/passerelle-answer1:([a-z2-7\s>]*)\./, text);

/** Return which of the two texts begins in a pasted one; null for neither. Of a chat with both it is the reply. */
export function kindIn(text: string): 'answer' | 'ask' | null {
  const looked = lowered(text);
  if (looked.includes(ANSWER)) return 'answer';
  return looked.includes(ASK) ? 'ask' : null;
}

/** Return the text for a sealed request, broken into lines. */
export const writeAsk = (sealed: Uint8Array<ArrayBuffer>): Promise<string> => write(ASK, sealed);

/** Return the text for a sealed reply, broken into lines. */
export const writeAnswer = (sealed: Uint8Array<ArrayBuffer>): Promise<string> => write(ANSWER, sealed);

async function read(shape: RegExp, text: string): Promise<Uint8Array<ArrayBuffer> | null> {
  const found = shape.exec(lowered(text));
  const whole = found && fromBase32((found[1] ?? '').replace(/[\s>]+/g, ''));
  if (!whole || whole.length < CHECK_BYTES) return null;
  const sealed = whole.slice(0, -CHECK_BYTES);
  const check = await checkOf(sealed);
  const isGood = check.every((byte, at) => byte === whole[sealed.length + at]);
  return isGood && sealed.length <= TEXT_SEALED_BYTES ? sealed : null;
}

async function write(begin: string, sealed: Uint8Array<ArrayBuffer>): Promise<string> {
  const text = `${begin} ${toBase32([...sealed, ...(await checkOf(sealed))])}.`;
  return (text.match(LINES) ?? []).join('\n');
}

const lowered = (text: string): string => visible(text.slice(0, TEXT_CHARS)).toLowerCase();

async function checkOf(sealed: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', sealed)).slice(0, CHECK_BYTES);
}

function fromBase32(text: string): Uint8Array<ArrayBuffer> | null {
  // No whole number of bytes has a base32 text of these lengths.
  if ([1, 3, 6].includes(text.length % 8)) return null;
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  let value = 0;
  let bits = 0;
  let at = 0;
  for (const letter of text) {
    value = ((value << 5) | LETTERS.indexOf(letter)) & 0xfff;
    bits += 5;
    if (bits >= 8) bytes[at++] = value >> (bits -= 8);
  }
  return bytes;
}

function toBase32(bytes: readonly number[]): string {
  let text = '';
  let value = 0;
  let bits = 0;
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) text += LETTERS[(value >> (bits - 5)) & 31];
  }
  return bits > 0 ? text + LETTERS[(value << (5 - bits)) & 31] : text;
}
