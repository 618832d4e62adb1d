/** The second tier: one page of the site at a time, without scripts, where no service worker can answer for it.
 *
 * The page's own images and styles are fetched first and written into it. It is shown in a frame that runs no script
 * and, by its policy, loads nothing; its links are caught from outside.
 */

import { element } from '../face/element';
import { ARTICLE_BYTES, ARTICLE_PARTS, PART_BYTES } from '../limits';
import type { Exchange, SiteRequest } from '../page/exchange';
import { field, type Header } from '../site/answer';
import { ACCEPTED, decoded } from '../site/decoded';
import type { Jar } from '../site/jar';
import { ReadingProblem } from '../trouble';

const POLICY = "default-src 'none'; img-src data: blob:; media-src data: blob:; style-src 'unsafe-inline'; font-src data: blob:";
/** Whatever runs, loads, moves the page, or asks for what is not shown here. */
const REMOVED = 'script, noscript, template, iframe, frame, frameset, object, embed, applet, portal, fencedframe, meta[http-equiv], base, ' +
  'link:not([rel~="stylesheet" i]), audio, video, track, source';
/** Redirects that are followed. */
const REDIRECTS = 5;

export interface ArticleEvents {
  shown(title: string, address: URL): void;
  left_out(host: string): void;
  /** The reader chose an address that is not the site's. */
  outside(address: string): void;
  /** The reader chose another page of the site. */
  go(address: URL): void;
}

interface Page {
  readonly address: URL;
  readonly type: string;
  readonly bytes: Blob;
}

export class Article {
  readonly element: HTMLIFrameElement;
  readonly #origins: ReadonlySet<string>;
  readonly #jar: Jar;
  readonly #ask: (request: SiteRequest) => Exchange;
  readonly #events: ArticleEvents;
  #objects: string[] = [];
  #turn = 0;

  /** `origins` are the site's, and `ask` sends a request to it. */
  constructor(origins: readonly string[], jar: Jar, ask: (request: SiteRequest) => Exchange, events: ArticleEvents) {
    this.#origins = new Set(origins);
    this.#jar = jar;
    this.#ask = ask;
    this.#events = events;
    // The same origin lets this page catch clicks. Without scripts nobody else can make use of it.
    this.element = element('iframe', { sandbox: 'allow-same-origin', title: '' });
  }

  /** Show the page at `address`. Throws what `Exchange` throws. A later call takes this one's place. */
  async show(address: URL): Promise<void> {
    const turn = ++this.#turn;
    const page = await this.#fetch(address, ARTICLE_BYTES);
    const document = await this.#document(page);
    if (turn !== this.#turn) return;
    for (const old of this.#objects.splice(0)) URL.revokeObjectURL(old);
    await this.#inline(document, page.address);
    if (turn !== this.#turn) return;
    const frame = this.element;
    await new Promise<void>((resolve) => {
      frame.onload = () => resolve();
      frame.srcdoc = `<!doctype html>${document.documentElement.outerHTML}`;
    });
    frame.title = document.title;
    frame.contentDocument?.addEventListener('click', (event) => this.#clicked(event, page.address));
    if (address.hash) frame.contentDocument?.getElementById(decodeURIComponent(address.hash.slice(1)))?.scrollIntoView();
    this.#events.shown(document.title, page.address);
  }

  async #document({ type, bytes, address }: Page): Promise<Document> {
    if (/html/i.test(type)) return new DOMParser().parseFromString(await bytes.text(), 'text/html');
    const made = document.implementation.createHTMLDocument(address.pathname);
    if (/^image\//i.test(type)) {
      const image = made.createElement('img');
      image.setAttribute('src', address.href);
      made.body.append(image);
    } else if (/^text\//i.test(type)) {
      const text = made.createElement('pre');
      text.textContent = await bytes.text();
      made.body.append(text);
    }
    return made;
  }

  /** Write what the document needs into it, and take away what it must not have. */
  async #inline(document: Document, address: URL): Promise<void> {
    const base = document.querySelector('base[href]')?.getAttribute('href') ?? '';
    const around = URL.canParse(base, address) ? new URL(base, address) : address;
    for (const removed of document.querySelectorAll(REMOVED)) removed.remove();
    let parts = 0;
    const isWanted = (url: URL) => this.#isSite(url) && parts++ < ARTICLE_PARTS;
    const work: Promise<void>[] = [];
    for (const image of document.querySelectorAll('img, input[type=image]')) {
      const url = absolute(image.getAttribute('src') ?? image.getAttribute('data-src'), around);
      for (const name of ['src', 'srcset', 'data-src']) image.removeAttribute(name);
      if (url && isWanted(url)) work.push(this.#object(url).then((object) => void (object && image.setAttribute('src', object))));
    }
    for (const link of document.querySelectorAll('link')) {
      const url = absolute(link.getAttribute('href'), around);
      if (url && isWanted(url)) work.push(this.#style(url).then((text) => link.replaceWith(styled(document, text))));
      else link.remove();
    }
    for (const style of document.querySelectorAll('style')) {
      work.push(this.#withObjects(style.textContent ?? '', around).then((text) => void (style.textContent = text)));
    }
    for (const each of document.querySelectorAll('[style]')) {
      const text = each.getAttribute('style') ?? '';
      if (/url\(|image-set\(/i.test(text)) each.removeAttribute('style');
    }
    await Promise.allSettled(work);
    const policy = document.createElement('meta');
    policy.httpEquiv = 'content-security-policy';
    policy.content = POLICY;
    document.head.prepend(policy);
  }

  async #style(url: URL): Promise<string> {
    const page = await this.#fetch(url, PART_BYTES);
    return this.#withObjects(await page.bytes.text(), page.address);
  }

  /** Return a style sheet in which each address of the site's is that of an object which was fetched. */
  async #withObjects(text: string, address: URL): Promise<string> {
    const found = new Set([...text.matchAll(/url\(\s*(["']?)([^"')\s]+)\1\s*\)/gi)].map((match) => match[2]!));
    const objects = new Map<string, string>();
    await Promise.allSettled([...found].slice(0, ARTICLE_PARTS).map(async (given) => {
      const url = absolute(given, address);
      if (url && url.protocol !== 'data:' && this.#isSite(url)) objects.set(given, (await this.#object(url)) ?? '');
    }));
    return text.replace(/@import[^;]*;?/gi, '').replace(/url\(\s*(["']?)([^"')\s]+)\1\s*\)/gi, (whole, _quote, given: string) =>
      given.startsWith('data:') ? whole : `url("${objects.get(given) ?? ''}")`);
  }

  /** Return an address for what lies at `url`; null if it cannot be had. */
  async #object(url: URL): Promise<string | null> {
    try {
      const { bytes } = await this.#fetch(url, PART_BYTES);
      const object = URL.createObjectURL(bytes);
      this.#objects.push(object);
      return object;
    } catch {
      return null;
    }
  }

  #isSite(url: URL): boolean {
    if (this.#origins.has(url.origin)) return true;
    if (/^https?:$/.test(url.protocol)) this.#events.left_out(url.host);
    return false;
  }

  /** Fetch all of `url`, at most `most_bytes`, through redirects inside the site. */
  async #fetch(url: URL, most_bytes: number): Promise<Page> {
    let address = url;
    for (let redirects = 0; redirects <= REDIRECTS; redirects++) {
      const cookies = this.#jar.header(address);
      const headers: Header[] = [['accept-encoding', ACCEPTED]];
      if (cookies) headers.push(['cookie', cookies]);
      const exchange = this.#ask({ url: address, method: 'GET', headers, content: null });
      const head = await exchange.head;
      for (const [name, value] of head.fields) if (name === 'set-cookie') this.#jar.set(value, address);
      const location = head.status >= 300 && head.status < 400 ? field(head.fields, 'location') : null;
      if (location === null) return { address, type: field(head.fields, 'content-type') ?? '', bytes: await whole(exchange, head.fields, most_bytes) };
      exchange.cancel();
      const next = absolute(location, address);
      if (!next || !this.#origins.has(next.origin)) throw new ReadingProblem('outside');
      address = next;
    }
    throw new ReadingProblem('site_silent');
  }

  #clicked(event: MouseEvent, address: URL): void {
    const link = (event.target as Element | null)?.closest?.('a[href], area[href]');
    const href = link?.getAttribute('href');
    if (!href) return;
    const url = absolute(href, address);
    const isHere = url !== null && url.href.replace(/#.*/, '') === address.href.replace(/#.*/, '');
    event.preventDefault();
    if (isHere) this.element.contentDocument?.getElementById(decodeURIComponent(url.hash.slice(1)))?.scrollIntoView();
    else if (url && this.#origins.has(url.origin)) this.#events.go(url);
    else this.#events.outside(url?.href ?? href);
  }
}

const absolute = (address: string | null, base: URL): URL | null =>
  address !== null && URL.canParse(address, base) ? new URL(address, base) : null;

function styled(document: Document, text: string): HTMLStyleElement {
  const style = document.createElement('style');
  style.textContent = text;
  return style;
}

/** Read all of an answer. Throws ReadingProblem for one that is larger than this page holds. */
async function whole(exchange: Exchange, fields: readonly Header[], most_bytes: number): Promise<Blob> {
  const plain = decoded(exchange.content(), fields);
  if (!plain) throw new ReadingProblem('site_silent');
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for (const reader = plain.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > most_bytes) {
      exchange.cancel();
      throw new ReadingProblem('site_silent');
    }
    chunks.push(value);
  }
  return new Blob(chunks, { type: field(fields, 'content-type') ?? '' });
}
