/** What of the site's answer reaches the frame in which the site is shown.
 *
 * A made-up `Response` obeys most of its headers, so those that would reach past the reading page are left out:
 * cookies (the jar has them), policies against frames, reports, and whatever moves the browser elsewhere.
 */

import type { Places } from './places';

export type Header = readonly [name: string, value: string];

/** Return the value of a field; null if there is none. */
export const field = (fields: readonly Header[], name: string): string | null =>
  fields.find(([known]) => known === name)?.[1] ?? null;

const LEFT_OUT = new Set([
  'accept-ch', 'access-control-allow-credentials', 'alt-svc', 'clear-site-data', 'connection', 'content-encoding',
  'content-length', 'content-security-policy', 'content-security-policy-report-only',
  'cross-origin-embedder-policy', 'cross-origin-opener-policy', 'cross-origin-resource-policy', 'document-policy',
  'expect-ct', 'keep-alive', 'link', 'nel', 'origin-agent-cluster', 'permissions-policy', 'proxy-authenticate',
  'public-key-pins', 'report-to', 'reporting-endpoints', 'service-worker-allowed', 'set-cookie',
  'set-login', 'sourcemap', 'speculation-rules', 'strict-transport-security', 'supports-loading-mode',
  'timing-allow-origin', 'transfer-encoding', 'upgrade', 'www-authenticate', 'x-dns-prefetch-control',
  'x-frame-options', 'x-sourcemap',
]);

/** Tell whether a browser shows an answer as HTML. */
export const isHtml = (fields: readonly Header[]): boolean =>
  /^\s*(?:text\/html|application\/xhtml)/i.test(field(fields, 'content-type') ?? '');

/** Tell whether a frame shows an answer, and does not keep it as a file. */
export const isShown = (fields: readonly Header[]): boolean =>
  !/^\s*attachment/i.test(field(fields, 'content-disposition') ?? '') &&
  /^\s*(?:$|(?:image|audio|video)\/|text\/(?:html|plain|xml|css|javascript)|application\/([\w.-]+\+)?(?:xml|json|xhtml|javascript))/i.test(
    field(fields, 'content-type') ?? '');

/** Return where a redirect leads; null for an answer that is none, or leads nowhere. */
export function redirect(status: number, fields: readonly Header[], url: URL): URL | null {
  const location = [301, 302, 303, 307, 308].includes(status) ? field(fields, 'location') : null;
  return location !== null && URL.canParse(location, url.href) ? new URL(location, url.href) : null;
}

/** Return the headers for the frame, `places` being where addresses lie.
 *
 * `url` is the site's address that answered. `altered` says that the content's length is not what the site said.
 */
export function shownHeaders(headers: readonly Header[], url: URL, places: Places, altered: boolean): Header[] {
  const shown: Header[] = [];
  for (const [name, value] of headers) {
    const target = name === 'location' ? redirect(301, [[name, value]], url) : null;
    if (target) shown.push([name, shownLocation(target, url, places)]);
    else if (name === 'refresh') shown.push([name, shownRefresh(value, url, places)]);
    else if (name === 'content-disposition') shown.push([name, shownDisposition(value)]);
    else if (name === 'cache-control' && places.areMany) continue;
    else if (name !== 'location' && (!LEFT_OUT.has(name) || (name === 'content-length' && !altered))) shown.push([name, value]);
  }
  // Two hosts of the site may have different things at one path, and the browser must not take one for the other.
  if (places.areMany) shown.push(['cache-control', 'no-cache']);
  shown.push(['content-security-policy', policy(places, isHtml(headers))], ['x-dns-prefetch-control', 'off']);
  shown.push(['referrer-policy', 'same-origin']);
  return shown;
}

/** Return where the frame goes for a redirect: on the mirror, where the site's address lies there. */
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
      const text = new TextDecoder('utf-8', { fatal: true }).decode(bytesOf(name));
      return `filename*=UTF-8''${encodeURIComponent(text)}`;
    } catch {
      return whole;
    }
  });

const bytesOf = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** Return the policy of every document of the site: nothing but the site's own hosts, and no plug-ins or workers.
 *
 * The browser obeys it before the service worker sees a request. WebSockets, frames, forms and plug-ins never reach the
 * worker at all unless they are for the mirror, so this policy alone keeps them from other hosts, and from the site's
 * own: the inner script writes the mirror's addresses in their place. A document without the inner script runs no
 * scripts.
 */
function policy(places: Places, isScripted: boolean): string {
  const hosts = places.origins.join(' ');
  return [
    `default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob: ${hosts}`,
    ...(isScripted ? [] : ["script-src 'none'"]),
    "frame-src 'self'",
    "form-action 'self'",
    `base-uri 'self' ${hosts}`,
    "object-src 'none'",
    // A worker of the site's would take the place of the reading page's own, which has the same scope.
    "worker-src 'none'",
    "frame-ancestors 'self'",
    // As a site asks for that whose stories name its own pictures by `http:`.
    ...(places.isSecure ? ['upgrade-insecure-requests'] : []),
  ].join('; ');
}
