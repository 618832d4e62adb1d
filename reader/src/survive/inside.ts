/** Which pages are the reading page's, and which are ordinary ones of the site: both have the same addresses.
 *
 * A shell holds a lock of this name for as long as it lives, and a browser names who holds it, so nothing of it is lost
 * when the browser stops the worker.
 */

import { SHELL_LOCK } from './names';

/** A shell that is not there by now was never opened. */
const OPENING_MS = 5_000;

/** Shells whose lock may not be held yet. */
const fresh = new Set<string>();
/** Whether there is any shell; null until the locks were looked at. */
let areShells: boolean | null = null;

void shells();

/** A shell is shown as the client `id`, unless the reader has left meanwhile. The promise ends when that is known: not every
 * browser knows a client that is only about to be. */
export async function shellOpens(clients: Clients, id: string): Promise<void> {
  fresh.add(id);
  areShells = true;
  await new Promise((resolve) => setTimeout(resolve, OPENING_MS));
  if (!(await clients.get(id))) fresh.delete(id);
}

/** Tell whether no shell lives, so that no request can be one of its. Costs nothing, and errs on the other side. */
export const isQuiet = (): boolean => areShells === false;

/** Return the ids of all shells that live. */
export async function shells(): Promise<ReadonlySet<string>> {
  const { held = [] } = await navigator.locks.query();
  const found = new Set(fresh);
  for (const { name, clientId } of held) {
    if (name !== SHELL_LOCK || !clientId) continue;
    found.add(clientId);
    fresh.delete(clientId);
  }
  areShells = found.size > 0;
  return found;
}

/** Say whose request `event` is. In doubt it is the frame's: nothing that a reader does there may go to the site directly. */
export async function whose(clients: Clients, event: FetchEvent): Promise<'shell' | 'frame' | 'ordinary'> {
  const { request, clientId } = event;
  const known = await shells();
  if (known.size === 0) return 'ordinary';
  const client = clientId ? await clients.get(clientId) : undefined;
  const isFrame = request.destination === 'iframe' || request.destination === 'frame';
  if (known.has(clientId)) return isFrame ? 'frame' : 'shell';
  return !client || client.frameType === 'nested' ? 'frame' : 'ordinary';
}
