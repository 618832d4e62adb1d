/** The publisher's consent that the site goes on when it is blocked: the attribute `survive` of the tag. */

const NAME = 'passerelle-survive.js';

/** Install the worker that keeps the reading page, or remove it where the publisher does not want it any more.
 *
 * `path` is where on the site the worker's file lies; empty for its usual place, null for a tag without the attribute. It is
 * asked of the site itself and connects to nobody. A worker of the publisher's own stays: it imports the file, and its tag
 * has no such attribute.
 */
export async function survive(path: string | null): Promise<void> {
  try {
    const { serviceWorker } = navigator;
    // The page comes first.
    if (document.readyState !== 'complete') await new Promise((resolve) => addEventListener('load', resolve, { once: true }));
    const found = await serviceWorker.getRegistration('/');
    const worker = found?.active ?? found?.waiting ?? found?.installing;
    const isOurs = worker?.scriptURL.includes(NAME);
    if (path === null) await (isOurs && found?.unregister());
    // A file that has moved takes the old one's place, which nobody could withdraw any more; the same one changes nothing.
    else if (!worker || isOurs) await serviceWorker.register(path || `/${NAME}`, { scope: '/', updateViaCache: 'none' });
  } catch {
    // The site is the same without it.
  }
}
