/** Sentences that are read only after something was opened, in all languages: they come with the later part. */

import { fill, spoken } from '../face/words';
import sentences from './sentences.json';

export type Sentence = keyof typeof sentences.en;

/** Return a sentence in the page's language, with its places filled. */
export function sentence(name: Sentence, values: Readonly<Record<string, string>>): string {
  return fill(spoken(sentences)[name], values);
}
