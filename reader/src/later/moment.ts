/** When there is time for what a page does not show: its own pictures and scripts come first, unless a film is played. */

/** A page that says nothing, as a picture or a text does, and one that does not end are waited for so long. */
const PATIENCE_MS = 3_000;

let tell!: () => void;
const told = new Promise<void>((resolve) => (tell = resolve));

/** Watch what shows the site: the frame's page, a frame in that, a tree in either. */
export function attend(place: Window | ShadowRoot): void {
  // A film's events reach a window on their way down only.
  place.addEventListener('play', tell, true);
  const { parent, document } = place as Partial<Window>;
  if (parent !== top) return;
  if (document!.readyState === 'complete') tell();
  else place.addEventListener('load', tell);
}

/** Resolves once a page is loaded or a film begins, and after a while in any case. */
export function quiet(): Promise<void> {
  setTimeout(tell, PATIENCE_MS);
  return told;
}
