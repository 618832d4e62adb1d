/** A broker as the exit's gateway reaches it, over a volunteer's link (docs/PROTOCOL.md §10). Where no broker is reached, a
 * page that volunteers carry asks so for more of them and for its next ticket: a door's owner pays for each request. */

import type { Exchange, SiteRequest, Ways } from '../page/exchange';
import { RENDEZVOUS_PATH, SEALED_BYTES, type BrokerEntry } from '../rendezvous/broker';
import { TICKET_RENEWAL_MS } from '../limits';
import { bodyOf } from '../wire/bounded';
import type { Bytes } from '../wire/integers';
import type { Carrier } from './carrier';

/** The name that stands for a broker at the gateway. No DNS has it (RFC 6761 §6.4). */
const BROKER = new URL(`https://broker.invalid${RENDEZVOUS_PATH}`);

/** What an introducer knows of the pool that it works for. */
export interface Pool {
  /** The broker that is meant. */
  readonly broker: BrokerEntry;
  isDoor(url: string): boolean;
  /** Return the link by which a request should be answered soonest; nothing while no volunteer carries. */
  best(): Carrier | undefined;
  /** Send a request to the gateway over the link that `link` gives. */
  ask(request: SiteRequest, link: Ways['link']): Exchange;
  /** Ask for the next ticket. */
  refresh(): void;
}

export class Introducer {
  readonly #pool: Pool;
  readonly #behind: BrokerEntry;
  /** Whether the gateway passes requests on to a broker, as far as is known. */
  isWilling = true;
  /** Whether it passed the last one on. */
  #isLast = false;
  #renewal: ReturnType<typeof setTimeout> | undefined;

  constructor(pool: Pool) {
    this.#pool = pool;
    // The shell's names of properties are shorter than here, so the broker's are copied without naming them.
    this.#behind = { ...pool.broker, url: '', carry: (body, signal) => this.#carry(body, signal) };
    this.#plan();
  }

  /** Return the ways to a broker in the order in which they are tried; `brokers` are those of the pool, what answered last
   * first. While a volunteer carries, the gateway comes before the doors, which are left out as long as it is willing. */
  order(brokers: readonly BrokerEntry[]): readonly BrokerEntry[] {
    if (!this.#pool.best()) return brokers;
    const own = brokers.filter(({ url }) => !this.#pool.isDoor(url));
    const doors = brokers.filter(({ url }) => this.#pool.isDoor(url));
    const order = this.#isLast || brokers[0] === doors[0] ? [this.#behind, ...own] : [...own, this.#behind];
    return this.isWilling ? order : [...order, ...doors];
  }

  /** Learn who answered a request, with a ticket; return whether it was the gateway. */
  answered(by: BrokerEntry): boolean {
    this.#isLast = by === this.#behind;
    if (this.#isLast || this.#pool.isDoor(by.url)) this.#plan();
    else this.close();
    return this.#isLast;
  }

  /** Renew no ticket any more. Idempotent. */
  close(): void {
    clearTimeout(this.#renewal);
  }

  /** Get the next ticket before this one has run out: the gateway takes nothing after that, so a door would have to. */
  #plan(): void {
    this.close();
    this.#renewal = setTimeout(() => this.#pool.best() && this.#pool.refresh(), TICKET_RENEWAL_MS);
  }

  /** Send the sealed request `content`, once, and return the sealed reply. */
  async #carry(content: Bytes, signal: AbortSignal): Promise<Uint8Array> {
    const chosen = this.#pool.best();
    if (!chosen) throw new TypeError('no link');
    const once = async (_: AbortSignal, tried: ReadonlySet<Carrier>): Promise<Carrier> => {
      if (tried.size > 0) throw new TypeError('no reply');
      return chosen;
    };
    const exchange = this.#pool.ask({ url: BROKER, method: 'POST', headers: [], content }, once);
    signal.addEventListener('abort', () => exchange.cancel());
    try {
      const { status } = await exchange.head;
      if (status !== 200) throw new TypeError('refused');
      const reply = await bodyOf(new Response(exchange.content()), SEALED_BYTES);
      this.isWilling = true;
      return reply;
    } catch (error) {
      // What ended with its link, or was given up, says nothing of the gateway.
      if (!signal.aborted && this.#pool.best() === chosen) this.isWilling = false;
      throw error;
    }
  }
}
