/** The single file, passed on by chat or on a stick: the second tier with everything in it. */

import { ArticleView } from '../article/view';
import { later } from '../later/later';
import { ReadingPage, type Site } from '../page/page';
import { Jar } from '../site/jar';

interface Config {
  readonly site: Site;
  readonly invite: string;
  /** Words by their languages. */
  readonly words: Readonly<Record<string, object>>;
  /** The signed descriptor, as text. */
  readonly network: string;
}

const config = JSON.parse(document.getElementById('page')!.textContent!) as Config;

void new ReadingPage({
  site: config.site,
  invite: config.invite,
  words: async (language) => JSON.stringify(config.words[language]),
  network: async () => new TextEncoder().encode(config.network),
  jar: (isSite) => new Jar(isSite),
  later: async () => later,
  view: async (work) => new ArticleView(config.site, work),
}).open();
