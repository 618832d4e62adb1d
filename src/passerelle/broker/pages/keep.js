// The small window in which a volunteer goes on. It helps only after a press and a yes in this window.

/** A click that comes so soon after the window appeared, moved to the front or changed its size was meant for something
 * else: a page may open this window under a finger that is about to press. */
const SETTLED_MS = 1000;

const bridge = document.querySelector('passerelle-switch');
const main = document.querySelector('main');
/** The origin that opened this window, which alone is told that it helps; and limits of its switch. */
const [opener_origin, ...given] = location.hash.slice(1).split('&');
/** What a limit looks like. Any site can open this window, so none may ask for more than a switch gives by itself. */
const LIMITS = {
  people: /^[1-5]$/,
  lanes: /^[1-4]$/,
  mbit: /^[\d.]+$/,
  megabytes: /^[\d.]+$/,
  hours: /^[\d:-]+$/,
  background: /^pause$/,
};
let changed_ms = performance.now();

function guard(event) {
  if (performance.now() - changed_ms >= SETTLED_MS) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}

function tell({ phase, elsewhere }) {
  if (elsewhere) {
    // This window was not pressed, so it may not take the other one's place when that is closed.
    bridge.remove();
    main.querySelector('p').textContent = main.dataset.elsewhere;
  } else if (phase === 'waiting' || phase === 'helping') {
    try {
      // The page lets this window count alone.
      opener?.postMessage('passerelle-kept', opener_origin);
    } catch {
      // Whoever opened the window named no origin.
    }
  }
}

for (const name of ['focus', 'resize', 'pageshow']) addEventListener(name, () => (changed_ms = performance.now()));
document.addEventListener('visibilitychange', () => (changed_ms = performance.now()));
addEventListener('click', guard, true);
bridge.addEventListener('passerelle-change', ({ detail }) => tell(detail));
for (const [name, value] of given.map((each) => each.split('='))) {
  if (Object.hasOwn(LIMITS, name) && LIMITS[name].test(value)) bridge.setAttribute(name, value);
}
await customElements.whenDefined('passerelle-switch');
tell(bridge.snapshot);
