/** Texts that people copy from chats and mails, and what such programs add to them.
 *
 * The same as `wire/pasted.py`: characters that nobody sees go, and so does what stands around the text
 * and cannot belong to an invite: blanks, quotes, brackets, the end of a sentence.
 */

/** Return `text` without characters that nobody sees: those that Unicode lets programs show as nothing
 * (Default_Ignorable_Code_Point). */
export const visible = (text: string): string => text.replace(/\p{DI}/gu, '');

/** Return `text` without invisible characters, and without blanks and marks around it. */
export const clean = (text: string): string => visible(text).replace(/^[^a-z\d]+|[^\w-]+$/gi, '');
