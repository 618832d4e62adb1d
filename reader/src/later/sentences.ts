/** Sentences that are read only after something was opened, in all languages: they come with the later part. */

import { fill } from '../face/words';
import sentences from './sentences.json';

export type Sentence = keyof typeof sentences.en;

/** Return a sentence in the page's language, with its places filled. */
export function sentence(name: Sentence, values: Readonly<Record<string, string>>): string {
  const { lang } = document.documentElement;
  const known = (sentences as Readonly<Record<string, Readonly<Record<Sentence, string>>>>)[lang] ?? sentences.en;
  return fill(known[name], values);
}
