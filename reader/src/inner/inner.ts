/** The script in front of all scripts of each of the site's documents. It keeps the site inside the reading page.
 *
 * It does three things: links and forms to the site's own addresses stay on the mirror, `document.cookie` is the
 * shell's jar, and what would reach other computers past the service worker is taken away. The site's policy
 * (`site/answer.ts`) does the same for everything that is no script. What the reader does with links and forms, and
 * new tabs, are the shell's (`shell/leaving.ts`): nothing of that can leave the frame by itself.
 */

import { here } from './addresses';
import { close } from './closed';
import { readCookies } from './cookies';
import { guardFrames } from './frames';
import { shell } from './shell';

/** Whether this is the frame itself, and not one in a page of the site. */
const isPage = top === parent;

close(self);
guardFrames(self, document.currentScript?.outerHTML ?? '', { titled: () => tell() });
if (shell) readCookies(document, shell);

/** Let the reader decide about an address outside the site. */
const outside = (url: string) => shell?.outside(new URL(url, document.baseURI).href);

/** Pages that are new in this frame become entries of the shell's own history: those of a frame are lost when the shell
 * is loaded again. */
function navigated(event: NavigateEvent): void {
  const { url, sameDocument } = event.destination;
  if (!event.cancelable || shell?.isMoving()) return;
  const target = here(url);
  if (target === null) {
    event.preventDefault();
    if (isPage || event.userInitiated) outside(url);
    else shell?.leftOut(new URL(url).host);
    return;
  }
  const isOther = !event.hashChange && !event.formData && event.downloadRequest === null && !sameDocument;
  const isNew = isOther && event.navigationType === 'push' && isPage;
  if (target !== url || isNew) {
    event.preventDefault();
    // A script that sends whoever is not at the site's own name to this very page would do so for ever.
    if (!event.userInitiated && target === location.href && new URL(url).origin !== self.origin) return;
    if (isNew) shell?.go(target);
    else location.replace(target);
  } else if (isPage && !sameDocument) {
    shell?.goes(target);
  }
}

self.navigation?.addEventListener('navigate', navigated);

/** The shell's guard comes a moment after the first page. Until then a click on a link outside the site is stopped here. */
function clicked(event: Event): void {
  const link = event.composedPath().find((node): node is Element => node instanceof Element && node.matches('a[*|href],area[*|href]'));
  const address = link?.getAttribute('href') ?? link?.getAttribute('xlink:href');
  if (!address || event.defaultPrevented || here(address) !== null) return;
  event.preventDefault();
  outside(address);
}
const CLICKS = ['click', 'auxclick'];
for (const kind of CLICKS) addEventListener(kind, clicked, true);
void shell?.guard(self).then(() => CLICKS.forEach((kind) => removeEventListener(kind, clicked, true)), () => {});

// What the policy refuses never reaches the service worker, which would tell of it.
addEventListener('securitypolicyviolation', ({ blockedURI }) => {
  if (!URL.canParse(blockedURI)) return;
  const { host } = new URL(blockedURI);
  if (host) shell?.leftOut(host);
});

for (const name of ['pushState', 'replaceState'] as const) {
  const change = History.prototype[name];
  History.prototype[name] = function (state, unused, url) {
    change.call(this, state, unused, url === undefined || url === null ? url : (here(String(url)) ?? url));
  };
}

function tell(): void {
  if (isPage) shell?.shows(location.href, document.title);
}

if (isPage) {
  shell?.arrives(location.href);
  for (const kind of ['DOMContentLoaded', 'load', 'hashchange', 'popstate', 'pageshow']) addEventListener(kind, tell);
  self.navigation?.addEventListener('currententrychange', tell);
}
