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
  'public-key-pins', 'refresh', 'report-to', 'reporting-endpoints', 'service-worker-allowed', 'set-cookie',
  'set-login', 'sourcemap', 'speculation-rules', 'strict-transport-security', 'supports-loading-mode',
  'timing-allow-origin', 'transfer-encoding', 'upgrade', 'www-authenticate', 'x-dns-prefetch-control',
  'x-frame-options', 'x-sourcemap',
]);

/** Return the headers for the frame, `places` being where addresses lie.
 *
 * `url` is the site's address that answered. `decoded` says that the content's encoding was undone.
 */
export function shownHeaders(headers: readonly Header[], url: URL, places: Places, decoded: boolean): Header[] {
  const shown: Header[] = [];
  for (const [name, value] of headers) {
    if (name === 'location') shown.push([name, shownLocation(value, url, places)]);
    else if (!LEFT_OUT.has(name) || (name === 'content-length' && !decoded)) shown.push([name, value]);
  }
  shown.push(['content-security-policy', policy(places)], ['x-dns-prefetch-control', 'off'], ['referrer-policy', 'same-origin']);
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
 * The browser obeys it before the service worker sees a request. WebSockets, frames and plug-ins never reach the
 * worker at all, so this policy alone keeps them from other hosts.
 */
function policy(places: Places): string {
  const hosts = places.origins.join(' ');
  return [
    `default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob: ${hosts}`,
    `frame-src 'self' ${hosts}`,
    `form-action 'self' ${hosts}`,
    `base-uri 'self' ${hosts}`,
    "object-src 'none'",
    // A worker of the site's would take the place of the reading page's own, which has the same scope.
    "worker-src 'none'",
    "frame-ancestors 'self'",
  ].join('; ');
}
