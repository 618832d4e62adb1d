/** `document.cookie` of the site's scripts. Nothing of it reaches the browser's own store, because the browser would
 * hand that to the mirror. */

import type { Frame } from '../shell/frame';
import { remove } from './closed';

export function readCookies(document: Document, shell: Frame): void {
  Object.defineProperty(Document.prototype, 'cookie', {
    configurable: false,
    get: () => shell.cookies(document.URL),
    set: (text: unknown) => shell.setCookie(document.URL, String(text)),
  });
  // Its answers would be those of the browser's own store.
  remove(window, 'cookieStore');
}
