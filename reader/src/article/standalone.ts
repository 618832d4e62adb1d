/** The second tier as a file of its own, which the shell fetches only where it needs it. */

import { ArticleView } from './view';

declare global {
  var passerelleArticle: typeof ArticleView | undefined;
}

globalThis.passerelleArticle = ArticleView;
