/** Asking a network's brokers for volunteers. */

import { PeerError, Problem } from '../../../widget/src/core/errors';
import type { LoadLater } from '../later/later';
import { ReadingProblem, troubleOf } from '../trouble';
import { bodyOf } from '../wire/bounded';
import { seal, type Reply, type Sealed, type Wish } from './request';

/** A broker waits 2 s for a volunteer and gives a volunteer 2.5 s, twice. */
const ANSWER_MS = 9_000;
/** A broker takes no message that was sealed so long before or after its own time. */
const CLOCK_MS = 900_000;
/** Largest sealed message, with the encapsulated key and the tag. */
export const SEALED_BYTES = 8192 + 48;

export interface BrokerEntry {
  readonly url: string;
  /** X25519, 32 bytes. */
  readonly seal_key: Uint8Array<ArrayBuffer>;
  /** What takes a request there and brings the reply; without it, that is HTTPS. */
  readonly carry?: Carry;
  /** Zero bits of the first proof of work, where one is wanted for certain. */
  readonly proof_bits?: number;
}

/** Takes a request to the broker at `url`, and opens the reply that came. */
export type Carry = (sealed: Sealed, url: string) => Promise<Reply>;

/** Zero bits of the proof that each broker or door wanted last. One that wants none of who is asking is not in it. */
const proofs = new WeakMap<BrokerEntry, number>();

/** Ask `broker`, with a proof of work if it wants one, and return its reply, which may be a refusal. What wanted a proof
 * before is given one at once, because each exchange through a door is the traffic of its owner.
 *
 * Throws Problem with `broker_unreachable`, `broker_garbled` or `clock`, the signal's reason when it is given up, and
 * what `carry` throws.
 */
export async function ask(broker: BrokerEntry, wish: Wish, signal: AbortSignal, later: LoadLater): Promise<Reply> {
  for (let isAgain = false; ; isAgain = true) {
    const bits = proofs.get(broker) ?? broker.proof_bits;
    const proof = bits ? await (await later()).search(broker.seal_key, bits, Date.now() / 1000, signal) : undefined;
    const reply = await exchange(broker, { ...wish, proof }, signal);
    if (reply.refusal !== 'proof' || isAgain) return reply;
    proofs.set(broker, reply.proof_bits);
  }
}

/** Connect to a broker that will be asked in a moment, so that the handshakes cost no time then. */
export function preconnect({ url }: BrokerEntry): void {
  const link = document.createElement('link');
  // Requests without cookies have connections of their own.
  Object.assign(link, { rel: 'preconnect', href: new URL(url).origin, crossOrigin: 'anonymous' });
  document.head.append(link);
}

async function exchange(broker: BrokerEntry, wish: Wish, signal: AbortSignal): Promise<Reply> {
  const sealed = await seal(wish, broker.seal_key, Date.now() / 1000);
  if (broker.carry) return broker.carry(sealed, broker.url);
  const answer = await post(`${broker.url}/v1/rendezvous`, sealed.bytes, signal);
  try {
    return await sealed.open(answer);
  } catch (error) {
    if (error instanceof PeerError) throw new Problem('broker_garbled', true);
    throw error;
  }
}

async function post(url: string, body: Uint8Array<ArrayBuffer>, signal: AbortSignal): Promise<Uint8Array> {
  try {
    // Without a content type this is a simple request, which saves the round trip of a preflight.
    const response = await fetch(url, {
      method: 'POST',
      body,
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      cache: 'no-store',
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
    });
    const off_ms = Math.abs(Date.now() - Date.parse(response.headers.get('date') ?? ''));
    if (!response.ok) throw new ReadingProblem(off_ms > CLOCK_MS ? 'clock' : 'broker_unreachable');
    return await bodyOf(response, SEALED_BYTES);
  } catch (error) {
    signal.throwIfAborted();
    throw troubleOf(error) === 'clock' ? error : new Problem('broker_unreachable', true);
  }
}
