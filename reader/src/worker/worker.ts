/** The reading page's service worker: it answers every request of the frame through a shell, and keeps no state.
 *
 * A browser stops a worker whenever it likes and starts it anew for the next request. So nothing is remembered here:
 * links, cookies and repeats are the shell's. The one exception are the cookies of a shell that is loaded again, which
 * a worker holds for a moment and may lose.
 */

import { Places } from '../site/places';
import { BROKERS, CACHE, keepFiles, ownFile, SHELL, SITE } from './files';
import { COOKIES, type CookieTalk, type FromShell, type Keep } from './talk';
import { askShells, tell } from './shells';

declare const self: ServiceWorkerGlobalScope;

/** A page that is loaded again is there in this time, also on a slow phone. */
const KEPT_MS = 10_000;
/** What a page loads by itself and would miss. Films ask again, and scripts hear of what they asked for. */
const PARTS = ['style', 'script', 'font', 'image'];

const places = new Places(self.location.origin, SITE);

self.addEventListener('install', (event) => {
  event.waitUntil(keepFiles().then(() => self.skipWaiting()));
});

self.addEventListener('activate', (event) => {
  event.waitUntil(
    (async () => {
      const old = (await caches.keys()).filter((name) => name !== CACHE);
      await Promise.all(old.map((name) => caches.delete(name)));
      await self.clients.claim();
    })(),
  );
});

self.addEventListener('message', (event) => {
  const said = event.data as FromShell;
  // A page that was reloaded past its worker asks to be controlled again.
  if (said === 'claim') event.waitUntil(self.clients.claim());
  // Any message makes the browser wait longer before it stops the worker.
  else if (said !== 'stay') event.waitUntil(keep(said.cookies));
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.mode === 'navigate' && request.destination === 'document') {
    event.respondWith(ownFile(SHELL));
  } else if (places.isOwn(url) && request.mode === 'navigate') {
    // No file of the mirror's is a page of the site. Whoever followed an address that is none is shown the first page.
    event.respondWith(Promise.resolve(Response.redirect('/', 302)));
  } else if (places.isOwn(url)) {
    event.respondWith(ownFile(url.pathname));
  } else if (BROKERS.includes(url.origin) && request.destination === '') {
    // The shell's own conversation. The site's frame has a policy that forbids it this.
    return;
  } else {
    event.respondWith(ofSite(event, url));
  }
});

/** Answer with what the site says, through a shell. */
async function ofSite(event: FetchEvent, url: URL): Promise<Response> {
  const { request, clientId } = event;
  const client = clientId ? await self.clients.get(clientId) : null;
  // A document in an attribute has no address, but says where it comes from.
  const page = client?.url.startsWith('http') ? client.url : request.referrer;
  const isNavigation = request.mode === 'navigate';
  // The inner script gives navigations their own addresses, and other requests are read together with their page's.
  const target = places.siteAddress(url, !isNavigation && URL.canParse(page) ? new URL(page) : null);
  if (!target) {
    await tell(self.clients, { type: 'left_out', host: url.host });
    return Response.error();
  }
  const proper = places.mirrorAddress(target);
  if (isNavigation && proper && proper.pathname !== url.pathname) return Response.redirect(proper.href, 307);
  // The browser takes the mirror for the site's origin.
  const from = URL.canParse(page) ? places.siteAddress(new URL(page), null) : null;
  const credentials = request.credentials === 'include' || (request.credentials === 'same-origin' && from?.origin === target.origin);
  const body = ['GET', 'HEAD'].includes(request.method) ? null : await request.arrayBuffer();
  const isDocument = request.destination === 'iframe' || request.destination === 'frame';
  return askShells(self.clients, {
    url: target.href,
    method: request.method,
    headers: [...request.headers],
    body,
    // The browser says nothing of the page to the site's own address, which is another origin for it.
    referrer: request.referrer || (request.referrerPolicy === 'no-referrer' ? '' : page),
    credentials,
    document: isDocument,
    page: isDocument ? request.url : client && PARTS.includes(request.destination) ? client.url : '',
  });
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
