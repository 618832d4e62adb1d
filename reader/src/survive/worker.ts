/** The worker of a site that goes on when it is blocked. It is installed at the site's own address, with its publisher's
 * consent, by the switch's tag or by an import in the publisher's own worker.
 *
 * While the site answers, every page comes from it and this worker does nothing but look on. When it does not, the same
 * address opens the reading page, which is in this file. The worker itself connects to nobody but the site: the reading
 * page's notice comes first.
 */

import { Places } from '../site/places';
import { hear, ofSite } from '../worker/ofsite';
import { direct } from './direct';
import { isQuiet, shellOpens, shells, whose } from './inside';
import { NAME } from './names';
import { holdListeners, ownAnswer, pass } from './others';
import { BROKERS, ownFile, SHELL, SITE } from './page';
import { isNewer } from './update';

declare const self: ServiceWorkerGlobalScope;

const places = new Places(self.location.origin, SITE);
/** Whether this file is the worker, and not a part of the publisher's own. */
const isAlone = self.location.href.includes(NAME);
/** Where the site serves this file. */
const file = new URL(isAlone ? self.location.href : `/${NAME}`, self.location.origin);

/** Whether the site proved itself over the network at the last visit; null if there was none since this worker was started. */
let isReached: boolean | null = null;
/** Whether it answers for pages. Before that, an update is this worker itself. */
let isServing = false;
/** Whether a newer file that the operator signed lies at the site's address; null until it was asked for. */
let newer: Promise<boolean> | null = null;
let isNewerThere = false;

if (isAlone) {
  self.addEventListener('install', (event) => event.waitUntil(self.skipWaiting()));
  self.addEventListener('activate', (event) => event.waitUntil(ask(true)));
  // The shell does the same. It may be closed before the browser looks, and this worker be stopped.
  self.registration.addEventListener('updatefound', () => {
    if (mayBeAnybodys()) void self.registration.unregister();
  });
}

/** Tell whether the site was not reached, so that an update may be anybody's. Where no page was opened since this worker was
 * started nothing is known of that; a shell knows, if there is one. */
function mayBeAnybodys(): boolean {
  return isReached === null ? isServing && isQuiet() : !isReached && !isNewerThere;
}

/** Look once for a newer file in each time of being blocked. */
function lookForNewer(): Promise<boolean> {
  newer ??= isNewer(file).then((is) => (isNewerThere = is));
  return newer;
}

/** Have the browser ask the site while it starts the worker, or not: it would do so for pages in the frame, too. */
async function ask(isAtOnce: boolean): Promise<void> {
  const { navigationPreload } = self.registration;
  if (isAlone) await (isAtOnce ? navigationPreload?.enable() : navigationPreload?.disable());
}

self.addEventListener('message', (event) => {
  if (event.data === 'newer') event.waitUntil(lookForNewer().then((is) => event.ports[0]!.postMessage(is)));
  else if (isOurs(event.data)) hear(self.clients, event);
});

self.addEventListener('fetch', (event) => {
  isServing = true;
  const { request } = event;
  const url = new URL(request.url);
  if (request.mode === 'navigate' && request.destination === 'document') {
    if (request.method === 'GET') respond(event, (ordinary) => opened(event, ordinary));
    else pass(event);
  } else if (!isQuiet() && !isConversation(request, url)) {
    respond(event, (ordinary) => asked(event, url, ordinary));
  } else {
    pass(event);
  }
});
if (!isAlone) holdListeners();

/** Open a page: the site's if it answers, otherwise the shell at the same address. */
async function opened(event: FetchEvent, ordinary: () => Promise<Response>): Promise<Response> {
  const { request, resultingClientId: id } = event;
  const page = async () => (await self.clients.get(id)) as WindowClient | undefined;
  const found = await direct({
    url: request.url,
    file,
    ask: ordinary,
    extend: (work) => event.waitUntil(work),
    reached: async () => {
      isReached = true;
      const shell = await page();
      shell?.postMessage({ type: 'reached' });
      return shell !== undefined;
    },
    page,
  });
  isReached = found !== 'blocked';
  if (found !== 'blocked') {
    event.waitUntil(shells().then(({ size }) => ask(size === 0)));
    return found;
  }
  newer = null;
  isNewerThere = false;
  if (isAlone) event.waitUntil(lookForNewer());
  event.waitUntil(shellOpens(self.clients, id));
  await ask(false);
  return ownFile(SHELL);
}

/** Answer what a page asks for. */
async function asked(event: FetchEvent, url: URL, ordinary: () => Promise<Response>): Promise<Response> {
  const owner = await whose(self.clients, event);
  if (owner === 'ordinary') return ordinary();
  return places.isOwn(url) ? ownFile(url.pathname) : ofSite(self.clients, places, event, url);
}

/** The shell's own conversation with brokers. The site's frame has a policy that forbids it this. */
const isConversation = (request: Request, url: URL) => BROKERS.includes(url.origin) && request.destination === '';

/** Answer `event`. `answer` is given what happens without this worker: what the publisher's own answers, or the site. */
function respond(event: FetchEvent, answer: (ordinary: () => Promise<Response>) => Promise<Response>): void {
  // It is called now, before the publisher's own worker is given one of its own.
  event.respondWith(
    Promise.resolve().then(() =>
      answer(async () => (await ownAnswer(event)) ?? (await event.preloadResponse) ?? fetch(event.request))),
  );
}

/** The publisher's own worker has messages of its own. */
const isOurs = (said: unknown): boolean =>
  said === 'claim' || said === 'stay' || (typeof said === 'object' && said !== null && (said as { type?: unknown }).type === 'keep');
