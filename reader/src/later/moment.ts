/** When there is time for what a page does not show: its own pictures and scripts come first, unless a film is played. */

/** A page that says nothing, as a picture or a text does, and one that does not end are waited for so long. */
const PATIENCE_MS = 3_000;

let tell!: () => void;
const told = new Promise<void>((resolve) => (tell = resolve));

/** Watch a document of the site, in the frame itself or in one of its own. */
export function attend(window: Window): void {
  window.addEventListener('play', tell, true);
  if (window.parent !== top) return;
  // What the page's own listeners do comes before that.
  const loaded = () => void setTimeout(tell);
  if (window.document.readyState === 'complete') loaded();
  else window.addEventListener('load', loaded);
}

/** Resolves once a page is loaded, a film begins, or neither came in time. */
export const quiet = (): Promise<void> => Promise.race([told, new Promise<void>((resolve) => setTimeout(resolve, PATIENCE_MS))]);
