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

/** Tell whether a frame shows an answer, and the browser does not keep it as a file. */
export const isShown = ({ type }: Kind, fields: readonly Header[]): boolean =>
  !/^\s*attachment/i.test(field(fields, 'content-disposition') ?? '') &&
  /^(?:(?:image|audio|video)\/|text\/(?:html|plain|xml|css|javascript)|application\/(?:[\w.-]+\+)?(?:xml|json|javascript))/.test(type);

/** Tell whether a browser lays an answer out as one document, which holds it up the longer, the larger it is. Pictures,
 * sound and videos are not laid out, and neither is what is kept as a file. */
export const isLaidOut = (kind: Kind, fields: readonly Header[]): boolean =>
  kind.isHtml || (isShown(kind, fields) && /^(?:text|app)/.test(kind.type));

/** Return where a redirect leads; null for an answer that is none, or leads nowhere. */
export function redirect(status: number, fields: readonly Header[], url: URL): URL | null {
  const location = [301, 302, 303, 307, 308].includes(status) ? field(fields, 'location') : null;
  return location !== null && URL.canParse(location, url.href) ? new URL(location, url.href) : null;
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
    const target = name === 'location' ? redirect(302, [[name, value]], url) : null;
    if (target && places.mirrorAddress(target)) shown.push([name, shownLocation(target, url, places)]);
    else if (name === 'refresh' && kind) shown.push([name, shownRefresh(value, url, places)]);
    else if (name === 'content-disposition') shown.push([name, shownDisposition(value)]);
    else if (name === 'location' || (name === 'cache-control' && places.areMany)) continue;
    else if (isKept || (name === 'content-length' && !isChanged)) shown.push([name, value]);
  }
  // Two hosts of the site may have different things at one path, and the browser must not take one for the other.
  if (places.areMany) shown.push(['cache-control', 'no-cache']);
  if (kind) shown.push(['content-type', kind.type], ['x-content-type-options', 'nosniff']);
  shown.push(
    ['content-security-policy', policy(places, kind?.isHtml ?? true)],
    ['x-dns-prefetch-control', 'off'],
    ['referrer-policy', 'same-origin'],
  );
  return shown;
}

/** Return where the frame goes for an address that the site names in a header. */
function shownLocation(target: URL, url: URL, places: Places): string {
  if (!target.hash) target.hash = url.hash;
  return (places.mirrorAddress(target) ?? target).href;
}

/** Return a `Refresh` that leads to the mirror. The inner script stops one that leaves the site. */
const shownRefresh = (value: string, url: URL, places: Places): string =>
  value.replace(/([;,]\s*(?:url\s*=\s*)?["']?)([^"']+)/i, (whole, before: string, address: string) =>
    URL.canParse(address, url.href) ? before + shownLocation(new URL(address, url.href), url, places) : whole);

/** Return a `Content-Disposition` whose file name browsers read as it is meant: many sites send the bytes of UTF-8. */
const shownDisposition = (value: string): string =>
  value.replace(/filename\s*=\s*"?([^";]*[\x80-\xff][^";]*)"?/i, (whole, name: string) => {
    try {
      const bytes = Uint8Array.from(name, (character) => character.charCodeAt(0));
      return `filename*=UTF-8''${encodeURIComponent(new TextDecoder('utf-8', { fatal: true }).decode(bytes))}`;
    } catch {
      return whole;
    }
  });

/** Return the policy of every document of the site: nothing but the site's own hosts, and no plug-ins or workers.
 *
 * The browser obeys it before the service worker sees a request. WebSockets, frames, forms and plug-ins for other hosts
 * never reach the worker at all, so this policy alone keeps them from there; those for the site's own hosts too, which
 * the reader would visit past the volunteers. Scripts run only where the inner script is in front of them.
 *
 * `Connection-Allowlist` would say the same. With it Chromium 156 shows no answer to a form that is redirected, and ends the
 * process of a page that opens a tab.
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
    // As a site asks for that whose old stories name its pictures by `http:`.
    ...(places.isSecure ? ['upgrade-insecure-requests'] : []),
  ].join('; ');
}
