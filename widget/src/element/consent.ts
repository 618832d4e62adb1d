/** The visitor's remembered yes to one network, in this site's localStorage.
 *
 * Storage may be denied; then the visitor is asked again next time, which is all that is lost.
 */

const KEY = 'passerelle-consent';

export function isRemembered(network: string): boolean {
  try {
    return localStorage.getItem(KEY) === network;
  } catch {
    return false;
  }
}

export function remember(network: string): void {
  try {
    localStorage.setItem(KEY, network);
  } catch {
    // See above.
  }
}
