/** Whether an answer is the site's own. What blocks a site often answers in its place, with a page that says something
 * else, and a browser that trusts a national certificate authority shows it.
 *
 * Without a key the site says so in a header, which no block page has, or its own copy of this file is asked for. That is
 * a proof where HTTPS is one. With a key the site's server signs a random number, which nobody else can.
 *
 * What was kept proves nothing: the browser's cache holds pages of before the block, with the header, and so may the
 * publisher's own worker. So the header counts where the answer has just left its server, and all else passes by caches.
 */

import { decode } from '../../../widget/src/core/wire/base64';
import { SURVIVE_HEAD_BYTES } from '../limits';
import { KEY, OPERATOR } from './page';

/** The header with which the site marks its answers, and the one with a signature. */
const MARK = 'passerelle-site';
const PROOF = 'passerelle-proof';
/** Stands in front of what is signed, with the origin and a zero byte behind it, and then the random bytes. */
const CONTEXT = 'passerelle site proof 1\0';
const NONCE_BYTES = 16;
/** A proof holds so long, so that a page with many steps asks for one only. */
const PROVEN_MS = 60_000;
/** What begins the file that takes this one's place when the publisher withdraws it. */
const WITHDRAWN = '// Passerelle: withdrawn by the publisher.\n';
/** What names this network in its file, shortly behind the beginning (`survival.py`). */
const OURS = `{const __PAGE__={"operator":"${OPERATOR}",`;
/** The types that browsers take for a worker's file, so a site serves it with one of them. */
const SCRIPT = /^(?:text|application)\/(?:x-)?(?:java|ecma)script\b/i;
/** "Not found", "gone", and redirects, which a browser shows as 0. */
const TAKEN_AWAY = [0, 301, 302, 303, 307, 308, 404, 410];
/** A site that has said nothing of its file for so long is not found out about. */
const ASK_MS = 8_000;

let proven_ms = -Infinity;
let key: Promise<CryptoKey | null> | null = null;

/** Begin a proof that will be wanted, so that it comes together with the answer. `file` is where this file lies. */
export function prepare(file: URL): Promise<boolean> {
  return KEY ? proof(file) : Promise.resolve(false);
}

/** Tell whether `response` is the site's; `prepared` is what `prepare` gave. Rejects when nothing could be found out. */
export async function isGenuine(response: Response, prepared: Promise<boolean>, file: URL): Promise<boolean> {
  if (KEY) return prepared;
  // The browser hides the headers of a redirect.
  return (response.headers.has(MARK) && isNew(response)) || proof(file);
}

/** Tell whether an answer left its server as shortly ago as a proof holds, by this device's clock. Caches of others on the way
 * say how long they had it (RFC 9111 §5.1); the browser's own says nothing. */
function isNew({ headers }: Response): boolean {
  const left_ms = Date.parse(headers.get('date') ?? '') + 1000 * Number(headers.get('age'));
  return Math.abs(Date.now() - left_ms) < PROVEN_MS;
}

async function proof(file: URL): Promise<boolean> {
  if (performance.now() - proven_ms < PROVEN_MS) return true;
  const known = KEY ? await publicKey() : null;
  const isProven = await (known ? signed(file, known) : present(file));
  if (isProven) proven_ms = performance.now();
  return isProven;
}

/** A browser without Ed25519 cannot check a signature. The site must open there too, so it asks for the file. */
function publicKey(): Promise<CryptoKey | null> {
  key ??= crypto.subtle.importKey('raw', decode(KEY)!, 'Ed25519', false, ['verify']).catch(() => null);
  return key;
}

async function signed(file: URL, known: CryptoKey): Promise<boolean> {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const hex = Array.from(nonce, (byte) => byte.toString(16).padStart(2, '0')).join('');
  const url = new URL(file);
  url.searchParams.set('nonce', hex);
  const response = await asked(url);
  void response.body?.cancel();
  const context = new TextEncoder().encode(`${CONTEXT}${file.origin}\0`);
  const text = new Uint8Array([...context, ...nonce]);
  try {
    return await crypto.subtle.verify('Ed25519', known, decode(response.headers.get(PROOF) ?? '')!, text);
  } catch {
    return false;
  }
}

/** Tell whether the site serves this file, or the one that withdraws it: a page that only begins like them, or that stands in
 * the place of everything, is somebody else's. Whoever copies the file and has a certificate is told apart by a key alone.
 * A site that has taken it away under HTTPS, or has moved with all its pages, does not want it here any more, and its
 * visitors must not be kept from it. */
async function present(file: URL): Promise<boolean> {
  const response = await asked(file);
  if (!response.ok) {
    void response.body?.cancel();
    return TAKEN_AWAY.includes(response.status);
  }
  const text = await beginning(response.body!);
  const isScript = SCRIPT.test(response.headers.get('content-type') ?? '');
  return isScript && (text.startsWith(WITHDRAWN) || (text.startsWith('// Passerelle') && text.includes(OURS)));
}

/** Return the first SURVIVE_HEAD_BYTES of a body, as text. */
async function beginning(body: ReadableStream<Uint8Array>): Promise<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  while (text.length < SURVIVE_HEAD_BYTES) {
    const { value, done } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  void reader.cancel();
  return text.slice(0, SURVIVE_HEAD_BYTES);
}

/** Ask for the file. Rejects when it does not come in time, its body included. */
export const asked = (url: URL): Promise<Response> =>
  fetch(url, { cache: 'no-store', credentials: 'omit', redirect: 'manual', signal: AbortSignal.timeout(ASK_MS) });
