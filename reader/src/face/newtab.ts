/** New tabs. The site's frame may open none, and the shell opens one for it where the reader chose so. */

const { open } = window;

/** Open `address` in a new tab that knows nothing of this one: neither it nor its server learns where it was opened from. */
export function openTab(address: string): void {
  open.call(window, address, '_blank', 'noopener,noreferrer');
}

/** Open a page of the site in a new tab to which the reader's yes goes over. */
export function openAgreed(address: string): void {
  const tab = open.call(window, address, '_blank');
  if (tab) tab.opener = null;
}

/** Take `open` from this window, which the site's scripts reach. */
export function takeOpen(): void {
  window.open = () => null;
}
