/** A broker as the exit's gateway reaches it, over a volunteer's link (docs/PROTOCOL.md §10). Where no broker is reached, a
 * page that volunteers carry asks so for more of them and for its next ticket: a door's owner pays for each request. */

import { SEALED_BYTES, type BrokerEntry } from '../rendezvous/broker';
import type { Reply, Sealed } from '../rendezvous/request';
import { TICKET_RENEWAL_MS } from '../limits';
import { bodyOf } from '../wire/bounded';
import type { PoolSettings } from './pool';

/** The name that stands for a broker at the gateway. No DNS has it (RFC 6761 §6.4). */
const BROKER = new URL('https://broker.invalid/v1/rendezvous');

/** Returns the ways to a broker in the order in which they are tried; `brokers` has what answered last first. */
export type Order = (brokers: readonly BrokerEntry[]) => readonly BrokerEntry[];

/** Return an order in which the gateway stands in place of the `doors` while a volunteer carries requests: then `isCarried`
 * returns something. `refresh` asks for the next ticket. */
export function introducer(
  settings: Pick<PoolSettings, 'ask' | 'brokers'>,
  doors: readonly string[],
  isCarried: () => unknown,
  refresh: () => unknown,
): Order {
  /** Whether the gateway passes requests on to a broker, as far as is known, and whether it passed the last one on. */
  let isWilling = true;
  let isLast = false;
  /** Whether a door answered last. */
  let isByDoor = false;
  let renewal: ReturnType<typeof setTimeout> | undefined;
  const isDoor = ({ url }: BrokerEntry) => doors.includes(url);

  /** Get the next ticket before this one has run out: the gateway takes nothing after that, so a door would have to. */
  const plan = () => {
    clearTimeout(renewal);
    renewal = setTimeout(() => {
      // The exit may be another program by now.
      isWilling = true;
      plan();
      if ((isLast || isByDoor) && isCarried()) refresh();
    }, TICKET_RENEWAL_MS);
  };

  /** Send a sealed request, and open the reply. A broker takes it once, so one whose reply was lost is not answered again. */
  const carry = async ({ bytes: content, open }: Sealed): Promise<Reply> => {
    isLast = false;
    try {
      const exchange = settings.ask({ url: BROKER, method: 'POST', headers: [], content });
      const { status } = await exchange.head;
      if (status !== 200) throw new TypeError('refused');
      const reply = await open(await bodyOf(new Response(exchange.content()), SEALED_BYTES));
      isLast = true;
      plan();
      return reply;
    } catch (error) {
      isWilling = false;
      throw error;
    }
  };

  const behind: BrokerEntry = { ...settings.brokers[0]!, url: '', carry };
  plan();
  return (brokers) => {
    isByDoor = isDoor(brokers[0]!);
    if (!isWilling || !isCarried()) return brokers;
    const own = brokers.filter((broker) => !isDoor(broker));
    return isLast || isByDoor ? [behind, ...own] : [...own, behind];
  };
}
