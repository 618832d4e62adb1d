/** The reading page's service worker: it answers every request of the frame through a shell, and keeps no state.
 *
 * A browser stops a worker whenever it likes and starts it anew for the next request. So nothing is remembered here:
 * links, cookies and repeats are the shell's. The one exception are the cookies of a shell that is loaded again, which
 * a worker holds for a moment and may lose.
 */

import { Places } from '../site/places';
import { BROKERS, CACHE, keepFiles, ownFile, SHELL, SINGLE_FILE, SITE } from './files';
import { hear, ofSite } from './ofsite';

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

self.addEventListener('message', (event) => hear(self.clients, event));

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.mode === 'navigate' && request.destination === 'document') {
    // The second tier is a file of the mirror's.
    if (url.pathname === SINGLE_FILE) return;
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
    event.respondWith(ofSite(self.clients, places, event, url));
  }
});
