/** Asking a shell to carry a request, and streaming what it answers. */

import type { Known } from '../page/exchange';
import { hold, watch } from './life';
import type { Asked, Notice, Told, Wanted } from './talk';

/** A shell that says nothing in the first of these times is frozen, busy, or its tab is being closed or loaded anew. Then the
 * next is asked; and, when none takes a request, those that are there by then, with more patience. */
const TAKEN_MS = [1_500, 4_500, 14_000];

/** Methods of requests that a second shell may repeat: the exit knows the repetition of others by the first shell's
 * ticket only, and would do them twice. */
const REPEATABLE = ['GET', 'HEAD', 'OPTIONS'];

/** Statuses with which a Response may have no body, or nobody reads it. */
const EMPTY = [101, 204, 205, 301, 302, 303, 304, 307, 308];

export type Request = Omit<Asked, 'type' | 'life' | 'until_ms' | 'known'>;
/** What a shell says, or that it has ended. */
type Next = Told | { readonly type: 'gone' };
type Head = Told & { readonly type: 'head' };

/** The part of an answer that one shell carries. */
interface Part {
  readonly head: Head;
  next(): Promise<Next>;
  cancel(): void;
}

const life = hold();

/** Ask one shell after the other, beginning with the one used last, and return the answer of the first that takes it.
 *
 * A shell that ends before the head is replaced by the next. After the head another one goes on where it stopped, with
 * what comes as the site sent it. Of the rest the page learns that it was cut off, and is loaded once more. `asker` is the
 * client that asks; '' where that is not known.
 */
export async function askShells(clients: Clients, request: Request, asker: string): Promise<Response> {
  const tried = new Set<string>();
  const first = await ask(clients, request, asker, null, tried);
  if (!first) return request.document ? nothing() : Response.error();
  const { status, headers, known } = first.head;
  let part: Part = first;
  let got = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        for (;;) {
          const next = await part.next();
          if (next.type === 'bytes') {
            got += next.bytes.byteLength;
            return controller.enqueue(new Uint8Array(next.bytes));
          }
          if (next.type === 'end') return controller.close();
          const isGone = next.type === 'gone';
          const other = isGone && known ? await ask(clients, request, asker, { ...known, got }, tried) : null;
          if (!other) {
            if (isGone) await tell(clients, { type: 'cut', page: request.page });
            return controller.error(new TypeError('the answer was cut off'));
          }
          part = other;
        }
      },
      cancel: () => part.cancel(),
    },
    { highWaterMark: 0 },
  );
  const isEmpty = request.method === 'HEAD' || EMPTY.includes(status);
  if (isEmpty) first.cancel();
  return new Response(isEmpty ? null : body, { status, headers: headers as [string, string][] });
}

/** Return what a frame shows whose page does not come: nothing, and not the browser's own words about the mirror. It has
 * an origin of its own, so no script of the site's reaches into it. */
export const nothing = (): Response =>
  new Response('', { headers: { 'content-type': 'text/html', 'content-security-policy': "sandbox; default-src 'none'" } });

/** Tell all shells something. */
export async function tell(clients: Clients, notice: Notice): Promise<void> {
  for (const shell of await clients.matchAll({ type: 'window' })) shell.postMessage(notice);
}

async function ask(
  clients: Clients, request: Request, asker: string, known: Known | null, tried: Set<string>,
): Promise<Part | null> {
  for (const patience_ms of TAKEN_MS) {
    const all = (await clients.matchAll({ type: 'window' })) as readonly WindowClient[];
    const shells = all.filter(({ id, frameType }) => frameType === 'top-level' && !tried.has(id));
    shells.sort((a, b) => Number(b.focused) - Number(a.focused));
    for (const shell of shells) {
      const until_ms = Date.now() + patience_ms;
      const part = await askShell(shell, { ...request, type: 'ask', life: await life, until_ms, known }, patience_ms);
      // One that is silent ignores the request when it comes to it later, so it may be asked again.
      if (part === 'silent') continue;
      tried.add(shell.id);
      if (part !== 'failed') return part;
      if (!REPEATABLE.includes(request.method)) return null;
    }
    // A page that was left waits for nothing, and asking on would keep this worker from being replaced.
    if (asker && !(await clients.get(asker))) return null;
  }
  return null;
}

function askShell(shell: WindowClient, asked: Asked, patience_ms: number): Promise<Part | 'silent' | 'failed'> {
  const { port1: port, port2 } = new MessageChannel();
  const over = new AbortController();
  let last: Next | null = null;
  let take: (next: Next) => void = () => {};
  const say = (wanted: Wanted) => port.postMessage(wanted);
  const end = () => {
    over.abort();
    port.close();
  };
  const next = () =>
    new Promise<Next>((resolve) => {
      take = resolve;
      if (last) resolve(last);
      else say('pull');
    });
  const cancel = () => {
    say('cancel');
    end();
  };
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      end();
      resolve('silent');
    }, patience_ms);
    const hear = (told: Next) => {
      if (told.type === 'taken') {
        clearTimeout(timer);
        watch(told.life, over.signal, () => hear({ type: 'gone' }));
      } else if (told.type === 'head') {
        resolve({ head: told, next, cancel });
      } else {
        if (told.type !== 'bytes') {
          last = told;
          end();
        }
        take(told);
        resolve('failed');
      }
    };
    port.onmessage = ({ data }: MessageEvent<Told>) => hear(data);
    shell.postMessage(asked, [port2]);
  });
}
