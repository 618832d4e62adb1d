/** The reading page's service worker: it answers every request of the frame through a shell, and keeps no state.
 *
 * A browser stops a worker whenever it likes and starts it anew for the next request. So nothing is remembered here:
 * links, cookies and repeats are the shell's.
 */

import { Places } from '../site/places';
import { BROKERS, CACHE, keepFiles, ownFile, SHELL, SITE } from './files';
import { askShells } from './shells';

declare const self: ServiceWorkerGlobalScope;

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
  // A page that was reloaded past its worker asks to be controlled again.
  if (event.data === 'claim') event.waitUntil(self.clients.claim());
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.mode === 'navigate' && request.destination === 'document') {
    event.respondWith(ownFile(SHELL));
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
  // A navigation has no client yet, but says which page it comes from.
  const page = client?.url ?? request.referrer;
  const target = places.siteAddress(url, URL.canParse(page) ? new URL(page) : null);
  if (!target) {
    await leftOut(url.host);
    return Response.error();
  }
  const body = ['GET', 'HEAD'].includes(request.method) ? null : await request.arrayBuffer();
  return askShells(self.clients, clientId, {
    type: 'ask',
    url: target.href,
    method: request.method,
    headers: [...request.headers],
    body,
    referrer: request.referrer,
    credentials: request.credentials !== 'omit',
    document: request.destination === 'iframe' || request.destination === 'frame',
  });
}

async function leftOut(host: string): Promise<void> {
  for (const shell of await self.clients.matchAll({ type: 'window' })) shell.postMessage({ type: 'left_out', host });
}
