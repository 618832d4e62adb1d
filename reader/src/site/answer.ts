/** What of the site's answer reaches the frame in which the site is shown.
 *
 * A made-up `Response` obeys most of its headers, so those that would reach past the reading page are left out:
 * cookies (the jar has them), policies against frames, reports, and whatever moves the browser elsewhere. A document's
 * headers are read by the browser alone, so of these only a few that are known to be harmless stay.
 */

import type { Places } from './places';

export type Header = readonly [name: string, value: string];

/** Return the value of a field; null if there is none. */
export const field = (fields: readonly Header[], name: string): string | null =>
  fields.find(([known]) => known === name)?.[1] ?? null;

const LEFT_OUT =
  /policy|report|sourcemap|^(?:access-control-allow-credentials$|clear-site-data|connection-|content-(?:encoding|length)|link$|nel$|refresh|service-worker-allowed|set-|speculation-|timing-|x-dns-|x-frame-)/;
/** All that a document keeps. */
const OF_DOCUMENTS = new Set([
  'accept-ranges', 'age', 'cache-control', 'content-disposition', 'content-language', 'content-range', 'date', 'etag',
  'expires', 'last-modified', 'retry-after', 'vary',
]);

/** What a browser is told that an answer is. */
export interface Kind {
  readonly isHtml: boolean;
  readonly charset: string | null;
  /** The value of the header. */
  readonly type: string;
}

/** Return what an answer is that a frame will show. Whatever browsers read in two ways is plain text: one would take it
 * for HTML where this page does not, and the inner script would be missing. */
export function kindOf(fields: readonly Header[]): Kind {
  const given = fields.filter(([name]) => name === 'content-type').map(([, value]) => value);
  const match = /^[ \t]*([\w!#$&^.+-]+\/[\w!#$&^.+-]+)[ \t]*(?:;([^,]*))?$/.exec(given.length === 1 ? given[0]! : '');
  const essence = match?.[1]!.toLowerCase() ?? '';
  if (!essence || essence.startsWith('multipart/')) return { isHtml: false, charset: null, type: 'text/plain' };
  const charset = /(?:^|;)[ \t]*charset[ \t]*=[ \t]*"?([\w.:-]+)/i.exec(match?.[2] ?? '')?.[1] ?? null;
  return { isHtml: essence === 'text/html', charset, type: charset ? `${essence}; charset=${charset}` : essence };
}

/** How an answer is shown. */
export interface Shown {
  /** The site's address that answered. */
  readonly url: URL;
  /** What the frame shows it as; null for what a page asks for itself, as pictures. */
  readonly kind: Kind | null;
  /** Whether the content's length is another one than the site's. */
  readonly isChanged: boolean;
}

/** Return the headers for the frame, `places` being where addresses lie. */
export function shownHeaders(headers: readonly Header[], { url, kind, isChanged }: Shown, places: Places): Header[] {
  const shown: Header[] = [];
  for (const [name, value] of headers) {
    const isKept = kind ? OF_DOCUMENTS.has(name) : !LEFT_OUT.test(name);
    if (name === 'location') shown.push([name, shownLocation(value, url, places)]);
    else if (isKept || (name === 'content-length' && !isChanged)) shown.push([name, value]);
  }
  if (kind) shown.push(['content-type', kind.type], ['x-content-type-options', 'nosniff']);
  shown.push(
    ['content-security-policy', policy(places, kind?.isHtml ?? true)],
    // Where a browser knows it (Chromium 152), nothing connects elsewhere in any other way either.
    ['connection-allowlist', `(${[places.mirror, ...places.origins].map((origin) => `"${origin}"`).join(' ')})`],
    ['x-dns-prefetch-control', 'off'],
    ['referrer-policy', 'same-origin'],
  );
  return shown;
}

/** Return where the frame goes for a `Location` of the site: on the mirror, or to the page about outside addresses. */
function shownLocation(value: string, url: URL, places: Places): string {
  const target = URL.canParse(value, url.href) ? new URL(value, url.href) : null;
  if (!target) return '/passerelle.reader/outside';
  if (!target.hash) target.hash = url.hash;
  return places.mirrorAddress(target)?.href ?? `/passerelle.reader/outside#${encodeURIComponent(target.href)}`;
}

/** Return the policy of every document of the site: nothing but the site's own hosts, and no plug-ins or workers.
 *
 * The browser obeys it before the service worker sees a request. WebSockets, frames, forms and plug-ins for other hosts
 * never reach the worker at all, so this policy alone keeps them from there; those for the site's own hosts too, which
 * the reader would visit past the volunteers. Scripts run only where the inner script is in front of them.
 */
function policy(places: Places, isScripted: boolean): string {
  const hosts = places.origins.join(' ');
  return [
    `default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob: ${hosts}`,
    ...(isScripted ? [] : ["script-src 'none'"]),
    "frame-src 'self'",
    "fenced-frame-src 'none'",
    "form-action 'self'",
    `base-uri 'self' ${hosts}`,
    "object-src 'none'",
    // A worker of the site's would take the place of the reading page's own, which has the same scope.
    "worker-src 'none'",
    "frame-ancestors 'self'",
  ].join('; ');
}
