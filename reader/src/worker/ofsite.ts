/** What a service worker answers for the frame in which a shell shows the site, and what it does for shells. */

import type { Places } from '../site/places';
import { askShells, nothing, tell } from './shells';
import { COOKIES, type CookieTalk, type FromShell, type Keep } from './talk';

/** A page that is loaded again is there in this time, also on a slow phone. */
const KEPT_MS = 10_000;
/** What a page loads by itself and would miss. Films ask again, and scripts hear of what they asked for. */
const PARTS = ['style', 'script', 'font', 'image'];

/** Do what a shell said. */
export function hear(clients: Clients, event: ExtendableMessageEvent): void {
  const said = event.data as FromShell;
  // A page that was reloaded past its worker asks to be controlled again.
  if (said === 'claim') event.waitUntil(clients.claim());
  // Any message makes the browser wait longer before it stops the worker.
  else if (said !== 'stay') event.waitUntil(keep(said.cookies));
}

/** Answer with what the site says, through a shell. */
export async function ofSite(clients: Clients, places: Places, event: FetchEvent, url: URL): Promise<Response> {
  const { request, clientId } = event;
  const client = clientId ? await clients.get(clientId) : null;
  // A document in an attribute has no address, but says where it comes from.
  const page = client?.url.startsWith('http') ? client.url : request.referrer;
  const isNavigation = request.mode === 'navigate';
  // The inner script gives navigations their own addresses, and other requests are read together with their page's.
  const target = places.siteAddress(url, !isNavigation && URL.canParse(page) ? new URL(page) : null);
  if (!target) {
    await tell(clients, isNavigation ? { type: 'nowhere' } : { type: 'left_out', host: url.host });
    return isNavigation ? nothing() : Response.error();
  }
  const proper = places.mirrorAddress(target);
  if (isNavigation && proper && proper.pathname !== url.pathname) return Response.redirect(proper.href, 307);
  // The browser takes the mirror for the site's origin.
  const from = URL.canParse(page) ? places.siteAddress(new URL(page), null) : null;
  const credentials = request.credentials === 'include' || (request.credentials === 'same-origin' && from?.origin === target.origin);
  const body = ['GET', 'HEAD'].includes(request.method) ? null : await request.arrayBuffer();
  const isDocument = request.destination === 'iframe' || request.destination === 'frame';
  return askShells(clients, {
    url: target.href,
    method: request.method,
    headers: [...request.headers],
    body,
    // The browser says nothing of the page to the site's own address, which is another origin for it.
    referrer: request.referrer || (request.referrerPolicy === 'no-referrer' ? '' : page),
    credentials,
    document: isDocument,
    page: isDocument ? request.url : client && PARTS.includes(request.destination) ? client.url : '',
  }, clientId);
}

/** Hold the cookies of a shell that ends, for the one that takes its place. */
function keep(cookies: Keep['cookies']): Promise<void> {
  const channel = new BroadcastChannel(COOKIES);
  return new Promise((resolve) => {
    const end = () => {
      channel.close();
      resolve();
    };
    channel.onmessage = ({ data }: MessageEvent<CookieTalk>) => {
      if (data.type === 'ask') channel.postMessage({ type: 'have', id: data.id, cookies } satisfies CookieTalk);
      // A shell that sets a cookie has all of them, and these would be old.
      else if (data.type !== 'have') end();
    };
    setTimeout(end, KEPT_MS);
  });
}
