/** What whoever made this page wrote into it. */

import type {} from '../article/standalone';
import type { ArticleView } from '../article/view';
import type { Site } from '../page/page';

interface Config {
  readonly site: Site;
  readonly invite: string;
  /** The tag of the inner script, as HTML. */
  readonly inner: string;
  /** The file with the second tier, and its hash. */
  readonly article: readonly [file: string, integrity: string];
  /** Files of words by their languages, each with its hash as `integrity` has it. */
  readonly words: Readonly<Record<string, readonly [file: string, integrity: string]>>;
}

/** Where the page's own files lie. */
const FOLDER = '/passerelle.reader/';

export const config = JSON.parse(document.getElementById('page')!.textContent!) as Config;

/** Return the words of a language as JSON. Rejects for a language without a file, and for a file that was altered. */
export async function wordsFile(language: string): Promise<string> {
  const [file, integrity] = config.words[language] ?? [];
  if (!file || !integrity) throw new Error(`no words in ${language}`);
  return (await fetch(FOLDER + file, { integrity, credentials: 'omit' })).text();
}

/** Return the signed descriptor that came with this page. It needs no hash, because it is signed. */
export async function networkFile(): Promise<Uint8Array> {
  return new Uint8Array(await (await fetch(`${FOLDER}network.json`, { credentials: 'omit' })).arrayBuffer());
}

/** Fetch and run the second tier. Rejects when it cannot be had, or was altered. */
export async function articleFile(): Promise<typeof ArticleView> {
  const [file, integrity] = config.article;
  const script = Object.assign(document.createElement('script'), { src: FOLDER + file, integrity });
  await new Promise((resolve, reject) => {
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });
  return globalThis.passerelleArticle!;
}
