/** The service worker, from the shell's side. */

import { ReadingProblem } from '../trouble';
import type { FromShell } from '../worker/talk';

/** The worker's file lies at the top, because it answers for everything below its folder. */
const WORKER = '/passerelle-reader.js';
const CONTROL_MS = 10_000;

/** Tell the worker something, if there is one. */
export const sayToWorker = (said: FromShell) => navigator.serviceWorker?.controller?.postMessage(said);

/** Let the worker answer for this page from now on. Throws ReadingProblem: `worker` where the browser does not allow it,
 * `altered` where the worker cannot have one of its files as it should be. */
export async function serve(): Promise<void> {
  const { serviceWorker } = navigator;
  if (!serviceWorker) throw new ReadingProblem('worker');
  // The page came from a worker, which on the site's own address is another one than a mirror's.
  if (serviceWorker.controller) return;
  try {
    const registration = await serviceWorker.register(WORKER, { scope: '/', updateViaCache: 'none' });
    const controlled = new Promise<void>((resolve, reject) => {
      serviceWorker.addEventListener('controllerchange', () => resolve(), { once: true });
      setTimeout(reject, CONTROL_MS);
      const { installing } = registration;
      installing?.addEventListener('statechange', () => installing.state === 'redundant' && reject(new ReadingProblem('altered')));
    });
    // After a reload past the cache the worker runs, and this page is not its own.
    registration.active?.postMessage('claim');
    await controlled;
  } catch (error) {
    throw error instanceof ReadingProblem ? error : new ReadingProblem('worker');
  }
}
