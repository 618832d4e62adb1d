/** The file that takes the place of the worker's when the publisher withdraws it. Browsers look for a new file at each
 * visit, and this one removes itself. In a publisher's own worker it does nothing. */

import { NAME } from './names';

declare const self: ServiceWorkerGlobalScope;

if (self.location.href.includes(NAME)) {
  self.addEventListener('install', (event) => event.waitUntil(self.skipWaiting()));
  self.addEventListener('activate', (event) =>
    event.waitUntil((async () => {
      const names = (await caches.keys()).filter((name) => name.startsWith('passerelle '));
      await Promise.all([...names.map((name) => caches.delete(name)), self.registration.unregister()]);
    })()));
}
