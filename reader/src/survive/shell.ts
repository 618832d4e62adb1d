/** Runs beside the shell's own script on the site's own address, and before it. */

import { fill, spoken } from '../face/words';
import type { Notice } from '../worker/talk';
import { NAME, SHELL_LOCK } from './names';
import replaced from './replaced.json';

const { serviceWorker } = navigator;
/** Whether somebody else's worker answers for this page. */
let isTaken = false;

// The worker knows the shell by this lock.
void navigator.locks.request(SHELL_LOCK, { mode: 'shared' }, () => new Promise(() => {}));

serviceWorker.addEventListener('message', (event: MessageEvent<Notice>) => {
  if (isTaken) return event.stopImmediatePropagation();
  // Whoever reads already goes on through volunteers; the next visit is a direct one.
  const isReading = document.querySelector('.chip:not(.alone)');
  if (event.data.type === 'reached' && !isReading) location.reload();
});
serviceWorker.startMessages();
void guard();

/** Have no update take the worker's place, unless the operator signed it (`update.ts`). A publisher's own worker is left alone. */
async function guard(): Promise<void> {
  const found = await serviceWorker.getRegistration();
  if (!found?.active?.scriptURL.includes(NAME)) return;
  let isNewer = false;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }: MessageEvent<boolean>) => (isNewer = data);
  found.active.postMessage('newer', [port2]);
  const look = () => {
    if (!isNewer) refuse(found);
  };
  found.addEventListener('updatefound', look);
  if (found.installing ?? found.waiting) look();
}

function refuse(found: ServiceWorkerRegistration): void {
  void found.unregister();
  serviceWorker.addEventListener('controllerchange', () => {
    isTaken = true;
    document.body.replaceChildren();
  });
  if (document.querySelector('.replaced')) return;
  const text = fill(spoken(replaced), { site: location.hostname });
  const said = Object.assign(document.createElement('p'), { className: 'replaced', role: 'alert', textContent: text });
  said.style.cssText = 'position:fixed;inset:auto 0 0;margin:0;padding:1em;background:#fff;color:#000;border:2px solid #b00;z-index:1';
  // Beside the body, whose content changes.
  document.documentElement.append(said);
}
