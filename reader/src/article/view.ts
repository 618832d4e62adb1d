/** The second tier's history: which article is shown, and what comes next. The address bar names it behind a `#`,
 * because a file has no other addresses. */

import type { ReadingWork, Site } from '../page/page';
import { troubleOf } from '../trouble';
import { Article } from './article';

export class ArticleView {
  readonly #article: Article;
  readonly #site: Site;
  readonly #work: ReadingWork;
  readonly #first: string;
  #isShown = false;

  /** `first` is the path of the site that is shown when the address bar names none. */
  constructor(site: Site, work: ReadingWork, first = '/') {
    this.#site = site;
    this.#work = work;
    this.#first = first;
    this.#article = new Article(site, work.jar, (request) => work.ask(request), {
      shown: (title) => work.shown(title),
      left_out: (host) => work.leftOut(host),
      outside: (address) => work.outside(address),
      go: (address) => {
        history.pushState(null, '', `#${this.#named(address)}`);
        void this.#show(address);
      },
    });
    work.isArticle();
    addEventListener('popstate', () => void this.#show(this.#address()));
    void this.#show(this.#address());
  }

  get element(): HTMLElement {
    return this.#article.element;
  }

  /** Ask once more for the page that did not come. */
  again(): void {
    if (!this.#isShown) void this.#show(this.#address());
  }

  async #show(address: URL): Promise<void> {
    this.#isShown = false;
    try {
      await this.#article.show(address);
      this.#isShown = true;
      this.#work.trouble(null);
    } catch (error) {
      this.#work.trouble(troubleOf(error));
    }
  }

  /** Return the site's address that the address bar names. Anything else is the first page. */
  #address(): URL {
    const named = location.hash.slice(1);
    const url = URL.canParse(named, this.#site[0]) ? new URL(named, this.#site[0]) : null;
    return url && named && this.#site.includes(url.origin) ? url : new URL(this.#first, this.#site[0]);
  }

  #named(address: URL): string {
    return address.origin === this.#site[0] ? address.pathname + address.search : address.href;
  }
}
