/** The addresses in the site's pages. Those of the site's own hosts become the mirror's, wherever the browser would go
 * to them past the service worker: in links, forms, frames, and what scripts say.
 */

import { shell } from './shell';

/** Where elements have addresses that are no subresources. `use` is asked of the page's own origin only. */
const ATTRIBUTES: Readonly<Record<string, readonly string[]>> = {
  a: ['href', 'xlink:href'], area: ['href'], base: ['href'], form: ['action'], button: ['formaction'], input: ['formaction'],
  iframe: ['src'], frame: ['src'], use: ['href', 'xlink:href'],
};
/** The elements that have such addresses. */
export const ADDRESSED = Object.keys(ATTRIBUTES).join();
export const ADDRESS_ATTRIBUTES = [...new Set(Object.values(ATTRIBUTES).flat())];

/** Return where `url` lies on the mirror; null for an address outside the site. Addresses that are no pages stay. */
export function here(url: string): string | null {
  if (!URL.canParse(url, document.baseURI)) return url;
  const target = new URL(url, document.baseURI);
  if (!/^https?:$/.test(target.protocol)) return url;
  // A document in an attribute has no address of its own, and has that of the page around it.
  const page = /^https?:/.test(location.protocol) ? location.href : document.baseURI;
  return shell?.here(target.href, page) ?? null;
}

/** Have an element name the mirror where it names the site. */
export function localise(element: Element): void {
  for (const name of ATTRIBUTES[element.localName] ?? []) {
    const given = element.getAttribute(name);
    const target = given && here(given);
    // What means the same stays as it was written.
    if (target && target !== new URL(given, document.baseURI).href) element.setAttribute(name, target);
  }
}
