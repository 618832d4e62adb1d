/** The reader's cookies of the site, in memory only (RFC 6265).
 *
 * A service worker can neither see nor set cookies, and the browser's own store would hand them to the mirror.
 * So the shell keeps them, and scripts of the site reach theirs through `scriptText` and `setByScript`.
 */

import { COOKIE_BYTES, COOKIE_LINE_BYTES, COOKIES, COOKIES_PER_HOST } from '../limits';

export interface Cookie {
  readonly name: string;
  readonly value: string;
  /** The host, or the domain without a leading dot. */
  readonly host: string;
  /** Whether only `host` itself gets it, and no host below it. */
  readonly hostOnly: boolean;
  readonly path: string;
  readonly httpOnly: boolean;
  /** Unix time in ms after which it is gone; Infinity for one that lasts as long as the shell. */
  readonly expires_ms: number;
  /** Its place in the order in which cookies were made. */
  readonly made: number;
}

export class Jar {
  /** Resolves once all cookies are here that were set before. */
  readonly ready: Promise<void> = Promise.resolve();
  readonly #isSite: (host: string) => boolean;
  readonly #now: () => number;
  /** By host, path and name, the one used longest ago first. */
  readonly #cookies = new Map<string, Cookie>();
  #made = 0;

  /** `isSite` tells whether a host belongs to the site, and `now` is the Unix time in ms. */
  constructor(isSite: (host: string) => boolean, now: () => number = Date.now) {
    this.#isSite = isSite;
    this.#now = now;
  }

  /** Take a `Set-Cookie` line of the answer from `url`. A line that is wrong or too large changes nothing. */
  set(line: string, url: URL): void {
    this.#set(line, url, false);
  }

  /** Take what a script of the page at `url` assigned to `document.cookie`. */
  setByScript(text: string, url: URL): void {
    this.#set(text, url, true);
  }

  /** Return the `Cookie` line for a request to `url`; null when there is none. */
  header(url: URL): string | null {
    return this.#text(url, false) || null;
  }

  /** Return what scripts of the page at `url` read from `document.cookie`. */
  scriptText(url: URL): string {
    return this.#text(url, true);
  }

  /** Return all cookies, for the jar of another tab. */
  all(): readonly Cookie[] {
    return [...this.#cookies.values()];
  }

  /** Take the cookies of another tab's jar, except those of which this one has its own. */
  add(cookies: readonly Cookie[]): void {
    for (const cookie of cookies) {
      const key = keyOf(cookie);
      if (this.#cookies.has(key) || this.#cookies.size >= COOKIES) continue;
      this.#cookies.set(key, cookie);
      this.#made = Math.max(this.#made, cookie.made + 1);
    }
  }

  /** Forget all cookies. */
  clear(): void {
    this.#cookies.clear();
  }

  #set(line: string, url: URL, byScript: boolean): void {
    if (line.length > COOKIE_BYTES) return;
    const [pair = '', ...attributes] = line.split(';');
    const equals = pair.indexOf('=');
    const name = (equals < 0 ? '' : pair.slice(0, equals)).trim();
    const value = pair.slice(equals + 1).trim();
    // Other control characters could end the line of a header.
    if ((!name && !value) || /[\x00-\x1f\x7f]/.test(name + value)) return;
    const given = new Map<string, string>();
    for (const attribute of attributes) {
      const [key = '', ...rest] = attribute.split('=');
      given.set(key.trim().toLowerCase(), rest.join('=').trim());
    }
    const httpOnly = given.has('httponly');
    if (byScript && httpOnly) return;
    const domain = (given.get('domain') ?? '').replace(/^\./, '').toLowerCase();
    // Requests go to the site's hosts only, so a domain above several of them shares nothing with others. A whole
    // top-level domain is refused, as it is everywhere.
    if (domain && (!isBelow(url.hostname, domain) || !(domain.includes('.') || this.#isSite(domain)))) return;
    const host = domain || url.hostname;
    const path = given.get('path')?.startsWith('/') ? given.get('path')! : defaultPath(url.pathname);
    const hostOnly = !domain;
    if (!prefixHolds(name, given.has('secure'), hostOnly, path)) return;
    const key = keyOf({ host, path, name });
    const old = this.#cookies.get(key);
    if (byScript && old?.httpOnly) return;
    this.#cookies.delete(key);
    const expires_ms = this.#expiry(given);
    if (expires_ms <= this.#now()) return;
    const made = old?.made ?? this.#made++;
    this.#makeRoom(host);
    this.#cookies.set(key, { name, value, host, hostOnly, path, httpOnly, expires_ms, made });
  }

  #expiry(given: ReadonlyMap<string, string>): number {
    const age = given.get('max-age');
    if (age !== undefined && /^-?\d+$/.test(age)) return this.#now() + Number(age) * 1000;
    const date = Date.parse(given.get('expires') ?? '');
    return Number.isNaN(date) ? Infinity : date;
  }

  #makeRoom(host: string): void {
    const now = this.#now();
    for (const [key, cookie] of this.#cookies) if (cookie.expires_ms <= now) this.#cookies.delete(key);
    const same = [...this.#cookies].filter(([, cookie]) => cookie.host === host);
    if (same.length >= COOKIES_PER_HOST) this.#cookies.delete(same[0]![0]);
    const [oldest] = this.#cookies.keys();
    if (this.#cookies.size >= COOKIES && oldest !== undefined) this.#cookies.delete(oldest);
  }

  #text(url: URL, byScript: boolean): string {
    const now = this.#now();
    const found = [...this.#cookies].filter(
      ([, cookie]) =>
        cookie.expires_ms > now &&
        !(byScript && cookie.httpOnly) &&
        (cookie.hostOnly ? url.hostname === cookie.host : isBelow(url.hostname, cookie.host)) &&
        pathHolds(url.pathname, cookie.path),
    );
    for (const [key, cookie] of found) {
      this.#cookies.delete(key);
      this.#cookies.set(key, cookie);
    }
    // Longer paths come first, then the older cookie (RFC 6265 §5.4).
    const cookies = found.map(([, cookie]) => cookie);
    cookies.sort((a, b) => b.path.length - a.path.length || a.made - b.made);
    let line = '';
    for (const { name, value } of cookies) {
      const longer = (line && `${line}; `) + (name ? `${name}=${value}` : value);
      // A longer line would make every request one that no server takes.
      if (longer.length <= COOKIE_LINE_BYTES) line = longer;
    }
    return line;
  }
}

const keyOf = ({ host, path, name }: Pick<Cookie, 'host' | 'path' | 'name'>) => JSON.stringify([host, path, name]);

const isBelow = (host: string, domain: string) => host === domain || host.endsWith(`.${domain}`);

const defaultPath = (path: string) => path.slice(0, Math.max(1, path.lastIndexOf('/')));

function pathHolds(path: string, prefix: string): boolean {
  return path === prefix || (path.startsWith(prefix) && (prefix.endsWith('/') || path[prefix.length] === '/'));
}

/** Tell whether a cookie keeps the promise in its name's prefix (RFC 6265bis §4.1.3). */
function prefixHolds(name: string, secure: boolean, hostOnly: boolean, path: string): boolean {
  const lower = name.toLowerCase();
  if (lower.startsWith('__host-')) return secure && hostOnly && path === '/';
  return !lower.startsWith('__secure-') || secure;
}
