/** Texts that people copy from chats and mails, and what such programs add to them.
 *
 * The same as `wire/pasted.py`: characters that nobody sees go, and so do quotes, brackets and the
 * marks of a sentence around the text, because none of them can belong to an invite.
 */

/** Return `text` without characters that nobody sees: Unicode's format characters. */
export const visible = (text: string): string => text.replace(/\p{Cf}/gu, '');

const AROUND = '"\'`´‘’‚‛“”„‟«»‹›「」『』()[\\]{}<>';
const BEFORE = new RegExp(`^[${AROUND}]+`);
const BEHIND = new RegExp(`[${AROUND}.,;:!?…。،؟]+$`);

/** Return `text` without invisible characters, and without quotes and marks around it. */
export const clean = (text: string): string =>
  visible(text).trim().replace(BEFORE, '').replace(BEHIND, '').trim();
