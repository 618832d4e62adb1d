/** Where the site's addresses lie on the mirror, and back.
 *
 * The main host's paths are the mirror's own, so a link that somebody shares differs in its host only. Other hosts of
 * the publisher lie below `/passerelle.reader/at/HOST`. Their pages may name paths of their own host, which look like the
 * main host's, so what a page asks for is read together with that page's own address.
 */

const OTHER = '/passerelle.reader/at/';
/** What the mirror itself serves lies here. Everything else on the mirror is the site's. */
const OWN = '/passerelle.reader/';

export class Places {
  readonly #mirror: string;
  readonly #main: URL;
  readonly #hosts: ReadonlySet<string>;

  /** `mirror` is an origin. `hosts` are the site's origins, the main one first. */
  constructor(mirror: string, hosts: readonly [string, ...string[]]) {
    this.#mirror = mirror;
    this.#main = new URL(hosts[0]);
    this.#hosts = new Set(hosts.map((origin) => new URL(origin).origin));
  }

  /** The site's origins, the main one first. */
  get origins(): readonly string[] {
    return [...this.#hosts];
  }

  /** Tell whether `host` is a host of the site. */
  isSite = (host: string): boolean => [...this.#hosts].some((origin) => new URL(origin).hostname === host);

  /** Tell whether the site has several hosts. */
  get areMany(): boolean {
    return this.#hosts.size > 1;
  }

  /** Tell whether the mirror is shown by HTTPS. */
  get isSecure(): boolean {
    return this.#mirror.startsWith('https:');
  }

  /** Tell whether `url` is a file of the mirror's own. */
  isOwn(url: URL): boolean {
    return url.origin === this.#mirror && url.pathname.startsWith(OWN) && !url.pathname.startsWith(OTHER);
  }

  /** Return the site's address for `url`, which a page at `page` asked for; null for an address of nobody here.
   *
   * `page` is an address on the mirror, or null for a navigation from nowhere.
   */
  siteAddress(url: URL, page: URL | null): URL | null {
    const own = this.#own(url);
    if (own) return own;
    if (url.origin !== this.#mirror) return null;
    const named = this.#named(url.pathname);
    if (named) return this.#hosts.has(named.origin) ? at(named.origin, named.path, url) : null;
    const around = page?.origin === this.#mirror ? this.#named(page.pathname) : null;
    const origin = around && this.#hosts.has(around.origin) ? around.origin : this.#main.origin;
    return at(origin, url.pathname, url);
  }

  /** Return where the mirror shows the site's address `url`; null for an address that is not the site's. */
  mirrorAddress(url: URL): URL | null {
    const own = this.#own(url);
    if (!own) return null;
    const path = own.origin === this.#main.origin ? own.pathname : `${OTHER}${own.host}${own.pathname}`;
    return at(this.#mirror, path, own);
  }

  /** Return where a page at `page`, an address on the mirror, finds the site's address `url`; null as above.
   *
   * What such a page of another host names by a path alone is of its own host, so the main host's name is written there.
   */
  addressFrom(page: URL, url: URL): URL | null {
    const own = this.#own(url);
    const address = this.mirrorAddress(url);
    return own && this.#named(page.pathname) ? at(this.#mirror, `${OTHER}${own.host}${own.pathname}`, own) : address;
  }

  /** Return `url` if it is the site's. Old stories name their own site by `http:`, which browsers ask by HTTPS. */
  #own(url: URL): URL | null {
    if (this.#hosts.has(url.origin)) return url;
    const secure = url.protocol === 'http:' ? new URL(url.href.replace(/^http/, 'https')) : null;
    return secure && this.#hosts.has(secure.origin) ? secure : null;
  }

  #named(path: string): { readonly origin: string; readonly path: string } | null {
    const match = /^([^/]+)(\/.*)$/.exec(path.startsWith(OTHER) ? path.slice(OTHER.length) : '');
    if (!match) return null;
    const origin = [...this.#hosts].find((known) => new URL(known).host === match[1]) ?? '';
    return { origin, path: match[2]! };
  }
}

/** A path may begin with two slashes, which would be another host's name if it were read by itself. */
const at = (origin: string, path: string, { search, hash }: URL) => new URL(origin + path + search + hash);
