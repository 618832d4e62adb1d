/** The second tier: one page of the site at a time, without scripts, where no service worker can answer for it.
 *
 * The page's own images and styles are fetched first and written into it. It is shown in a frame that runs no script
 * and, by its policy, loads nothing; its links and forms are caught from outside. No link in it names where it leads,
 * because a reader who opens one in a new tab would ask that place directly.
 */

import { element } from '../face/element';
import { ARTICLE_BYTES, ARTICLE_PARTS, PART_BYTES } from '../limits';
import type { Exchange, SiteRequest } from '../page/exchange';
import { field, redirect, type Header } from '../site/answer';
import { ACCEPTED, decoded } from '../site/decoded';
import type { Jar } from '../site/jar';
import { ReadingProblem } from '../trouble';
import { defaultButton, needsScript, sent, sentBy, sentByEnter, type Inability, type Wanted } from './forms';

const POLICY = "default-src 'none'; img-src data: blob:; media-src data: blob:; style-src 'unsafe-inline'; font-src data: blob:; form-action 'none'; base-uri 'none'";
/** Whatever runs, loads, moves the page, or asks for what is not shown here. */
const REMOVED = 'script, noscript, template, iframe, frame, frameset, object, embed, applet, portal, fencedframe, meta[http-equiv], base, ' +
  'link:not([rel~="stylesheet" i]), audio, video, track, source, animate, set';
/** Where an article's links lead: the attribute that has it in place of `href`. */
const LEADS = 'data-passerelle';
const XLINK = 'http://www.w3.org/1999/xlink';
/** Redirects that are followed. */
const REDIRECTS = 5;

export interface ArticleEvents {
  shown(title: string, address: URL): void;
  left_out(host: string): void;
  /** The reader chose an address that is not the site's. */
  outside(address: string): void;
  /** The reader chose another page of the site, or sent a form to it. */
  go(wanted: Wanted): void;
  /** What the reader wants does not work in an article. */
  cannot(inability: Inability): void;
  /** Return this page's own address with which a new tab shows `address`. */
  here(address: URL): string;
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

  /** Show a page. Throws what `Exchange` throws. A later call takes this one's place. */
  async show(wanted: Wanted): Promise<void> {
    const turn = ++this.#turn;
    const page = await this.#fetch(wanted, ARTICLE_BYTES);
    const document = await this.#document(page);
    if (turn !== this.#turn) return;
    if (!document) return this.#events.cannot('file');
    for (const old of this.#objects.splice(0)) URL.revokeObjectURL(old);
    const base = await this.#inline(document, page.address);
    if (turn !== this.#turn) return;
    const frame = this.element;
    await new Promise<void>((resolve) => {
      frame.onload = () => resolve();
      frame.srcdoc = `<!doctype html><meta http-equiv="content-security-policy" content="${POLICY}">`;
    });
    const shown = frame.contentDocument;
    if (turn !== this.#turn || !shown) return;
    frame.title = document.title;
    shown.addEventListener('click', (event) => this.#clicked(event, page.address, base));
    shown.addEventListener('keydown', (event) => this.#pressed(event, base));
    shown.addEventListener('change', ({ target }) => {
      const field = target as HTMLInputElement;
      if (field.hasAttribute('onchange') && !(field.form && defaultButton(field.form))) this.#events.cannot('no_script');
    });
    // Its elements are moved and not written as text, which a browser could read as other elements.
    shown.documentElement.replaceWith(shown.adoptNode(document.documentElement));
    this.#scroll(wanted.address);
    this.#events.shown(document.title, page.address);
  }

  /** Return what is shown of an answer; null for a file that is not shown. */
  async #document({ type, bytes, address }: Page): Promise<Document | null> {
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
    } else if (bytes.size > 0) {
      return null;
    }
    return made;
  }

  /** Write what the document needs into it, take away what it must not have, and return from where its addresses are
   * read. */
  async #inline(document: Document, address: URL): Promise<URL> {
    const base = document.querySelector('base[href]')?.getAttribute('href') ?? '';
    const around = URL.canParse(base, address) ? new URL(base, address) : address;
    for (const removed of document.querySelectorAll(REMOVED)) removed.remove();
    this.#tame(document, around);
    let parts = 0;
    const isWanted = (url: URL) => this.#isSite(url) && parts++ < ARTICLE_PARTS;
    const work: Promise<void>[] = [];
    for (const image of document.querySelectorAll('img, input[type=image]')) {
      const url = absolute(image.getAttribute('src') ?? image.getAttribute('data-src'), around);
      for (const name of ['src', 'srcset', 'data-src']) image.removeAttribute(name);
      if (url && isWanted(url)) work.push(this.#object(url).then((object) => void (object && image.setAttribute('src', object))));
    }
    for (const style of document.querySelectorAll('style')) {
      work.push(this.#withObjects(style.textContent ?? '', around).then((text) => void (style.textContent = text)));
    }
    for (const link of document.querySelectorAll('link')) {
      const url = absolute(link.getAttribute('href'), around);
      const style = document.createElement('style');
      style.media = link.getAttribute('media') ?? '';
      link.replaceWith(style);
      if (url && isWanted(url)) work.push(this.#style(url).then((text) => void (style.textContent = text)));
    }
    for (const each of document.querySelectorAll('[style]')) {
      const text = each.getAttribute('style') ?? '';
      if (/url\(|image-set\(/i.test(text)) each.removeAttribute('style');
    }
    await Promise.allSettled(work);
    return around;
  }

  /** Let links name where they lead in an attribute that no browser follows. */
  #tame(document: Document, base: URL): void {
    for (const link of document.querySelectorAll('*')) {
      const isLink = ['a', 'area'].includes(link.localName);
      const href = link.getAttribute('href') ?? link.getAttributeNS(XLINK, 'href');
      for (const name of ['ping', 'target', 'download', 'background', LEADS]) link.removeAttribute(name);
      link.removeAttributeNS(XLINK, 'href');
      if (href === null || (!isLink && link.localName !== 'link')) {
        // Parts of the page itself, as in an SVG, stay. Nothing else that has an address is loaded.
        if (href?.startsWith('#')) link.setAttribute('href', href);
        else link.removeAttribute('href');
      } else if (isLink) {
        const url = absolute(href, base);
        link.setAttribute(LEADS, href);
        link.setAttribute('href', url && this.#origins.has(url.origin) ? this.#events.here(url) : '#');
      }
    }
  }

  async #style(url: URL): Promise<string> {
    const page = await this.#fetch({ address: url, post: null }, PART_BYTES);
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
      const { bytes } = await this.#fetch({ address: url, post: null }, PART_BYTES);
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

  /** Fetch all of a page or a part, at most `most_bytes`, through redirects inside the site. */
  async #fetch(wanted: Wanted, most_bytes: number): Promise<Page> {
    let { address, post } = wanted;
    for (let redirects = 0; redirects <= REDIRECTS; redirects++) {
      const cookies = this.#jar.header(address);
      const headers: Header[] = [['accept-encoding', ACCEPTED], ...(post?.headers ?? [])];
      if (cookies) headers.push(['cookie', cookies]);
      const sending = post ? { method: 'POST', content: post.content, key: post.key } : { method: 'GET', content: null };
      const exchange = this.#ask({ url: address, headers, ...sending });
      const { status, fields } = await exchange.head;
      for (const [name, value] of fields) if (name === 'set-cookie') this.#jar.set(value, address);
      const next = redirect(status, fields, address);
      if (next === null) return { address, type: field(fields, 'content-type') ?? '', bytes: await whole(exchange, fields, most_bytes) };
      exchange.cancel();
      if (!this.#origins.has(next.origin)) throw new ReadingProblem('outside');
      // Only these two ask for the form once more, and that is another request.
      post = post && [307, 308].includes(status) ? { ...post, key: crypto.randomUUID() } : null;
      address = next;
    }
    throw new ReadingProblem('site_silent');
  }

  #clicked(event: MouseEvent, address: URL, base: URL): void {
    const target = event.target as Element;
    const link = target.closest(`[${LEADS}]`);
    const form = sentBy(target);
    if (link) {
      event.preventDefault();
      this.#follow(link.getAttribute(LEADS)!, address, base);
    } else if (form) {
      event.preventDefault();
      void this.#send(...form, base);
    } else if (needsScript(target)) {
      this.#events.cannot('no_script');
    }
  }

  #pressed(event: KeyboardEvent, base: URL): void {
    const form = event.key === 'Enter' && !event.isComposing ? sentByEnter(event.target as Element) : null;
    if (!form) return;
    event.preventDefault();
    void this.#send(...form, base);
  }

  #follow(href: string, address: URL, base: URL): void {
    const url = absolute(href, base);
    if (url === null || url.protocol === 'javascript:') this.#events.cannot('no_script');
    else if (withoutFragment(url) === withoutFragment(address)) this.#scroll(url);
    else if (this.#origins.has(url.origin)) this.#events.go({ address: url, post: null });
    else this.#events.outside(url.href);
  }

  async #send(form: HTMLFormElement, button: HTMLButtonElement | HTMLInputElement | null, base: URL): Promise<void> {
    const isChecked = !form.noValidate && !button?.formNoValidate;
    if (isChecked && !form.reportValidity()) return;
    const method = button?.getAttribute('formmethod') ?? form.getAttribute('method');
    if (method?.toLowerCase() === 'dialog') return form.closest('dialog')?.removeAttribute('open');
    const wanted = await sent(form, button, base);
    if (typeof wanted === 'string') this.#events.cannot(wanted);
    else if (this.#origins.has(wanted.address.origin)) this.#events.go(wanted);
    else if (wanted.post) this.#events.cannot('form_elsewhere');
    else this.#events.outside(wanted.address.href);
  }

  #scroll({ hash }: URL): void {
    let name = hash.slice(1);
    try {
      name = decodeURIComponent(name);
    } catch {
      // It is taken as it stands.
    }
    if (name) this.element.contentDocument?.getElementById(name)?.scrollIntoView();
  }
}

const absolute = (address: string | null, base: URL): URL | null =>
  address !== null && URL.canParse(address, base) ? new URL(address, base) : null;

const withoutFragment = ({ href }: URL): string => href.replace(/#.*/, '');

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
      throw new ReadingProblem('large');
    }
    chunks.push(value);
  }
  return new Blob(chunks, { type: field(fields, 'content-type') ?? '' });
}
