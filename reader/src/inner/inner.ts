/** The script in front of all scripts of each of the site's documents. It keeps the site inside the reading page.
 *
 * It does three things: links and forms to the site's own addresses stay on the mirror, `document.cookie` is the
 * shell's jar, and what would reach other computers past the service worker is taken away. The site's policy
 * (`site/answer.ts`) does the same for everything that is no script.
 */

import { Places } from '../site/places';
import { close } from './closed';
import { readCookies } from './cookies';
import { guardFrames } from './frames';
import type { Frame } from '../shell/frame';

/** The site's origins, the main one first. Whoever made the page wrote them in front of this code. */
declare const __PAGE__: { readonly site: readonly [string, ...string[]] };

const shell = (top as unknown as { passerelle?: Frame }).passerelle;
const places = new Places(location.origin, __PAGE__.site);

const script = document.currentScript?.outerHTML ?? '';

close(self);
guardFrames(self, script);
if (shell) readCookies(document, shell);

/** Return where `url` lies on the mirror; null for an address outside the site. Addresses that are no pages stay. */
function here(url: string): string | null {
  if (!URL.canParse(url, document.baseURI)) return url;
  const target = new URL(url, document.baseURI);
  if (!/^https?:$/.test(target.protocol) || target.origin === location.origin) return url;
  return places.mirrorAddress(target)?.href ?? null;
}

/** Let the reader decide about an address outside the site. */
const outside = (url: string) => shell?.outside(new URL(url, document.baseURI).href);

function clicked(event: Event): void {
  const link = event.composedPath().find((node): node is HTMLAnchorElement | HTMLAreaElement =>
    node instanceof HTMLAnchorElement || node instanceof HTMLAreaElement);
  if (!link?.href) return;
  link.removeAttribute('ping');
  const target = here(link.href);
  if (target === null) {
    event.preventDefault();
    outside(link.href);
  } else if (target !== link.href) {
    link.href = target;
  }
}

function submitted(event: SubmitEvent): void {
  const { submitter, target: form } = event;
  if (!(form instanceof HTMLFormElement)) return;
  // A field named "action" hides the form's own property.
  for (const [element, name] of [[submitter, 'formaction'], [form, 'action']] as const) {
    const given = element?.getAttribute(name);
    if (!element || !given) continue;
    const target = here(given);
    if (target === null) {
      event.preventDefault();
      outside(given);
    } else if (target !== given) {
      element.setAttribute(name, target);
    }
  }
}

/** Pages that are new in this frame become entries of the shell's own history: those of a frame are lost when the shell
 * is loaded again. */
function navigated(event: NavigateEvent): void {
  const { url, sameDocument } = event.destination;
  const target = here(url);
  if (!event.cancelable) return;
  if (target === null) {
    event.preventDefault();
    outside(url);
    return;
  }
  const isPage = !event.hashChange && !event.formData && event.downloadRequest === null && !sameDocument;
  const isNew = isPage && event.navigationType === 'push' && top === parent;
  if (target !== url || isNew) {
    event.preventDefault();
    if (isNew) shell?.go(target);
    else location.replace(target);
  }
}

for (const kind of ['click', 'auxclick']) addEventListener(kind, clicked, true);
addEventListener('submit', submitted, true);
self.navigation?.addEventListener('navigate', navigated);

// What the policy refuses never reaches the service worker, which would tell of it.
addEventListener('securitypolicyviolation', ({ blockedURI }) => {
  if (URL.canParse(blockedURI)) shell?.leftOut(new URL(blockedURI).host);
});

const open = self.open;
self.open = (url?: string | URL, ...rest) => {
  const target = url === undefined || url === '' ? url : here(String(url));
  if (target === null) {
    outside(String(url));
    return null;
  }
  const opened = open.call(self, target, ...rest) as (Window & typeof globalThis) | null;
  if (opened) close(opened);
  return opened;
};

if (shell && top === parent) {
  const tell = () => shell.shows(location.href, document.title);
  for (const kind of ['DOMContentLoaded', 'load', 'hashchange', 'popstate', 'pageshow']) addEventListener(kind, tell);
  self.navigation?.addEventListener('currententrychange', tell);
}
