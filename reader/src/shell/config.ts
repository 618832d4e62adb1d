/** What whoever made this page wrote into it. */

import type {} from '../article/standalone';
import type { ArticleView } from '../article/view';
import type { LaterFile } from '../later/standalone';
import type { Site } from '../page/page';
import { ReadingProblem } from '../trouble';
import { FOLDER } from './folder';

export type HashedFile = readonly [file: string, integrity: string];

interface Config {
  readonly site: Site;
  readonly invite: string;
  /** The tag of the inner script, as HTML. */
  readonly inner: string;
  /** The second tier, and what a first page seldom needs. */
  readonly article: HashedFile;
  readonly later: HashedFile;
  /** Links with video, for page and Worker; none in the single file. */
  readonly media?: HashedFile;
  /** Files of words by their languages. */
  readonly words: Readonly<Record<string, HashedFile>>;
}

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

/** Return the second tier. Rejects when it cannot be had, or was altered. */
export async function articleFile(): Promise<typeof ArticleView> {
  await run(config.article);
  return globalThis.passerelleArticle!;
}

let isLaterRun: Promise<void> | null = null;

/** Return the later part, which is run once: it takes `open` from this window. Rejects as above. */
export async function laterFile(): Promise<LaterFile> {
  isLaterRun ??= run(config.later);
  try {
    await isLaterRun;
  } catch (error) {
    isLaterRun = null;
    throw error;
  }
  return globalThis.passerelleLater!;
}

async function run([file, integrity]: HashedFile): Promise<void> {
  const script = Object.assign(document.createElement('script'), { src: FOLDER + file, integrity });
  await new Promise((resolve, reject) => {
    script.onload = resolve;
    script.onerror = () => reject(new ReadingProblem('altered'));
    document.head.append(script);
  });
}
