/** Asking a shell to carry a request, and streaming what it answers. */

import type { Asked, Told, Wanted } from './talk';

/** A shell that says nothing in this time is frozen, or its tab is being closed. The last one may also be busy. */
const TAKEN_MS = 1_500;
const LAST_TAKEN_MS = 20_000;

/** Ask one shell after the other, beginning with the one used last, and return the answer of the first that takes it.
 *
 * A shell that ends before the head is replaced by the next. After the head its end is an error of the body, which the
 * browser repeats by itself for media and reports for everything else.
 */
export async function askShells(clients: Clients, clientId: string, asked: Asked): Promise<Response> {
  const asking = await shells(clients, clientId);
  for (const [index, shell] of asking.entries()) {
    const patience_ms = index === asking.length - 1 ? LAST_TAKEN_MS : TAKEN_MS;
    const answer = await askShell(shell, asked, patience_ms);
    if (answer) return answer;
  }
  return Response.error();
}

/** Return the shells, the one around the asking frame first. */
async function shells(clients: Clients, clientId: string): Promise<readonly WindowClient[]> {
  const all = (await clients.matchAll({ type: 'window' })) as readonly WindowClient[];
  const tops = all.filter(({ frameType }) => frameType === 'top-level');
  const asking = all.find(({ id }) => id === clientId);
  return asking ? [...tops].sort((a, b) => Number(b.focused) - Number(a.focused)) : tops;
}

function askShell(shell: WindowClient, asked: Asked, patience_ms: number): Promise<Response | null> {
  const { port1: port, port2 } = new MessageChannel();
  let take: ((bytes: Told) => void) | null = null;
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      port.close();
      resolve(null);
    }, patience_ms);
    port.onmessage = ({ data }: MessageEvent<Told>) => {
      if (data.type === 'taken') clearTimeout(timer);
      else if (data.type === 'head') resolve(answer(port, data.status, data.headers, (next) => (take = next)));
      else if (take) take(data);
      else resolve(null);
    };
    shell.postMessage(asked, [port2]);
  });
}

function answer(
  port: MessagePort,
  status: number,
  headers: readonly (readonly [string, string])[],
  onTold: (take: (told: Told) => void) => void,
): Response {
  const say = (wanted: Wanted) => port.postMessage(wanted);
  const body = new ReadableStream<Uint8Array>(
    {
      pull: (controller) =>
        new Promise((resolve) => {
          onTold((told) => {
            if (told.type === 'bytes') controller.enqueue(new Uint8Array(told.bytes));
            else if (told.type === 'end') controller.close();
            else controller.error(new TypeError('the answer was cut off'));
            if (told.type !== 'bytes') port.close();
            resolve();
          });
          say('pull');
        }),
      cancel: () => say('cancel'),
    },
    { highWaterMark: 0 },
  );
  // These statuses have no body, and a Response with one would be refused.
  const empty = [101, 204, 205, 304].includes(status);
  return new Response(empty ? null : body, { status, headers: headers as [string, string][] });
}
