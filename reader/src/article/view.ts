/** The second tier's history: which article is shown, and what comes next. The address bar names it behind a `#`,
 * because a file has no other addresses. */

import type { ReadingWork, Site } from '../page/page';
import { troubleOf } from '../trouble';
import { Article } from './article';
import type { Wanted } from './forms';
import { tell } from './tell';

export class ArticleView {
  readonly #article: Article;
  readonly #site: Site;
  readonly #work: ReadingWork;
  readonly #first: string;
  #wanted: Wanted;
  #isShown = false;

  /** `first` is the path of the site that is shown when the address bar names none. */
  constructor(site: Site, work: ReadingWork, first = '/') {
    this.#site = site;
    this.#work = work;
    this.#first = first;
    this.#article = new Article(site, work.jar, (request) => work.ask(request), {
      shown: (title, address) => {
        // What a form brought is asked for without the form when the page is loaded again.
        if (this.#wanted.post) history.replaceState(null, '', this.#here(address));
        work.shown(title);
      },
      left_out: (host) => work.leftOut(host),
      outside: (address) => work.outside(address),
      go: (wanted) => {
        history.pushState(null, '', this.#here(wanted.address));
        void this.#show(wanted);
      },
      cannot: tell,
      here: (address) => new URL(this.#here(address), location.href).href,
    });
    work.isArticle();
    addEventListener('popstate', () => void this.#show(this.#addressed()));
    this.#wanted = this.#addressed();
    void this.#show(this.#wanted);
  }

  get element(): HTMLElement {
    return this.#article.element;
  }

  /** Whether the page is there, or came of a form, which only the reader may send twice. */
  get isThere(): boolean {
    return this.#isShown || this.#wanted.post !== null;
  }

  /** Ask once more for the page that did not come. */
  again(): void {
    if (!this.#isShown) void this.#show(this.#wanted);
  }

  async #show(wanted: Wanted): Promise<void> {
    this.#wanted = wanted;
    this.#isShown = false;
    try {
      await this.#article.show(wanted);
      this.#isShown = true;
      this.#work.trouble(null);
    } catch (error) {
      this.#work.trouble(troubleOf(error));
    }
  }

  /** Return the site's address that the address bar names. Anything else is the first page. */
  #addressed(): Wanted {
    const named = location.hash.slice(1);
    const url = URL.canParse(named, this.#site[0]) ? new URL(named, this.#site[0]) : null;
    const isSite = url && named && this.#site.includes(url.origin);
    return { address: isSite ? url : new URL(this.#first, this.#site[0]), post: null };
  }

  #here(address: URL): string {
    return `#${address.origin === this.#site[0] ? address.pathname + address.search : address.href}`;
  }
}
