/** JSON messages between this volunteer and a broker. */

import { PeerError } from '../errors';
import { SIGNAL_MESSAGE_BYTES, TICKET_BYTES } from '../limits';
import { decode as decodeBase64 } from './base64';
import * as checks from './checks';
import * as description from './description';
import type { Description } from './description';

/** Version of the messages. */
export const VERSION = 1;
/** What the volunteer calls itself in `hello`. */
export const SOFTWARE = 'passerelle-switch/0.1.0';
export const EXIT_ID = /^[a-z0-9-]{1,32}$/;
/** An ISO 3166-1 code. Nothing finer than a country is ever said about where somebody is. */
const COUNTRY = /^[A-Z]{2}$/;

/** Why the volunteer declines an offer. */
export type Decline = 'busy' | 'unknown_exit' | 'unsupported' | 'failed';

/** How the NAT in front of this browser treats UDP. The words are those of Python's `NatClass`. */
export type NatClass = 'open' | 'restricted' | 'symmetric' | 'blocked' | 'unknown';

/** How many readers had to wait for a volunteer lately, rounded; `nobody` stands for next to nobody, too. */
export const DEMANDS = ['many', 'some', 'nobody'] as const;

export type Demand = (typeof DEMANDS)[number];

/** What a volunteer sends to a broker. */
export type FromVolunteer =
  | {
      readonly type: 'hello';
      readonly version: number;
      readonly software: string;
      readonly free: number;
      readonly nat: NatClass;
    }
  /** The class of the NAT is left out when it has not changed. */
  | { readonly type: 'ready'; readonly free: number; readonly nat?: NatClass }
  | { readonly type: 'answer'; readonly offer: number; readonly description: Description }
  | { readonly type: 'decline'; readonly offer: number; readonly reason: Decline }
  /** From now on, only readers who name this tag of a family are helped. */
  | { readonly type: 'family'; readonly family: string }
  /** Asks whether the broker is still there. It is sent only to a broker whose `welcome` asks for it. */
  | { readonly type: 'ping' }
  /** The visitor was given a sealed request by hand. The broker is asked to answer it, with this
   * volunteer as the one that helps. */
  | { readonly type: 'friend'; readonly id: number; readonly request: string };

/** A client wants a link to an exit. The volunteer finds the exit's address in the signed descriptor. */
export interface BrokerOffer {
  readonly type: 'offer';
  readonly offer: number;
  readonly exit: string;
  readonly ticket: string;
  readonly description: Description;
  /** Set when people carry the answer to the client by hand, so that the client comes late. */
  readonly patient?: true;
  /** Where the client seems to be; null when the broker cannot tell. */
  readonly country: string | null;
}

/** Lets this volunteer find out once how fast it is, at the exit `exit`. */
export interface RateTicket {
  readonly exit: string;
  readonly ticket: string;
}

/** The broker accepted the `hello`. Offers may come from now on. */
export interface BrokerWelcome {
  readonly type: 'welcome';
  readonly version: number;
  /** Where this volunteer seems to be; null when the broker cannot tell. */
  readonly country: string | null;
  /** Whether helping may be dangerous there. */
  readonly caution: boolean;
  /** Seconds between two `ping` messages; null when the broker answers none. */
  readonly heartbeat_s: number | null;
  /** The same while nobody is helped, at most; null when that is no longer. */
  readonly idle_s: number | null;
  /** Null from a broker that knows no test. */
  readonly test: RateTicket | null;
}

/** The broker answers a `ping`. */
export interface BrokerPong {
  readonly type: 'pong';
  /** Left out when the broker tells nothing, or nothing that makes sense here: a later one may know more words. */
  readonly demand?: Demand;
}

/** The broker answers a `friend` message. */
export interface BrokerFriendReply {
  readonly type: 'friend_reply';
  readonly id: number;
  /** The sealed reply in base64; null when the broker cannot use the request. */
  readonly reply: string | null;
}

const BYES = ['version', 'malformed', 'restart', 'full'] as const;

/** The broker ends the conversation. */
export interface BrokerBye {
  readonly type: 'bye';
  readonly reason: (typeof BYES)[number];
  /** Seconds until the volunteer should call again; null when it should not call again at all. */
  readonly retry_after_s: number | null;
}

/** What a broker sends to a volunteer. */
export type FromBroker = BrokerWelcome | BrokerOffer | BrokerFriendReply | BrokerPong | BrokerBye;

/** Return `message` as JSON text. */
export function encode(message: FromVolunteer): string {
  return JSON.stringify(
    message.type === 'answer'
      ? { ...message, description: description.write(message.description) }
      : message,
  );
}

/** Parse what a broker sent, which may be anything. Throws PeerError.
 *
 * Unknown fields are ignored, because a page may pin a switch that is years older than its broker.
 */
export function decode(data: unknown): FromBroker {
  if (typeof data !== 'string') throw new PeerError('malformed', 'a binary signalling message');
  if (data.length > SIGNAL_MESSAGE_BYTES) throw new PeerError('limit', 'a large message');
  const given = checks.parse(data);
  switch (given.get('type')) {
    case 'welcome':
      return welcome(given);
    case 'offer':
      return offer(given);
    case 'friend_reply':
      return friendReply(given);
    case 'pong':
      return pong(given);
    case 'bye':
      return bye(given);
    default:
      throw new PeerError('malformed', 'an unknown type');
  }
}

function welcome(given: checks.Fields): BrokerWelcome {
  const version = given.has('version')
    ? checks.integer(given.get('version'), Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
    : VERSION;
  return Object.freeze({
    type: 'welcome',
    version,
    country: country(given),
    caution: given.has('caution') ? checks.boolean(given.get('caution')) : false,
    heartbeat_s: pause_s(given, 'heartbeat_s'),
    idle_s: pause_s(given, 'idle_s'),
    test: rateTicket(given.get('test') ?? null),
  });
}

function rateTicket(given: unknown): RateTicket | null {
  if (given === null) return null;
  const ticket = checks.fields(given);
  return Object.freeze({
    exit: checks.text(ticket.get('exit'), 1, 32, EXIT_ID),
    ticket: checks.text(ticket.get('ticket'), 0, TICKET_BYTES),
  });
}

/** Return the seconds between two `ping` messages that a field names; null where it names none. Throws PeerError. */
function pause_s(given: checks.Fields, name: string): number | null {
  const value = given.get(name) ?? null;
  return value === null ? null : checks.number(value, 1, 3600);
}

/** Return the `country` of a message, if it names one. Throws PeerError. */
export function country(given: checks.Fields): string | null {
  const code = given.get('country') ?? null;
  return code === null ? null : checks.text(code, 2, 2, COUNTRY);
}

function offer(given: checks.Fields): BrokerOffer {
  const patient = given.has('patient') && checks.boolean(given.get('patient'));
  return Object.freeze({
    type: 'offer',
    offer: checks.integer(given.get('offer'), 0, 2 ** 31 - 1),
    exit: checks.text(given.get('exit'), 1, 32, EXIT_ID),
    ticket: checks.text(given.get('ticket'), 0, TICKET_BYTES),
    description: description.read(given.get('description')),
    country: country(given),
    ...(patient ? { patient } : {}),
  });
}

function pong(given: checks.Fields): BrokerPong {
  const demand = DEMANDS.find((one) => one === given.get('demand'));
  return Object.freeze({ type: 'pong', ...(demand ? { demand } : {}) });
}

function friendReply(given: checks.Fields): BrokerFriendReply {
  const reply = given.get('reply');
  if (reply !== null && !decodeBase64(checks.text(reply, 0, SIGNAL_MESSAGE_BYTES))) {
    throw new PeerError('malformed', 'not base64');
  }
  return Object.freeze({
    type: 'friend_reply',
    id: checks.integer(given.get('id'), 0, 2 ** 31 - 1),
    reply: reply as string | null,
  });
}

function bye(given: checks.Fields): BrokerBye {
  const retry_after_s = given.get('retry_after_s') ?? null;
  return Object.freeze({
    type: 'bye',
    reason: checks.oneOf(given.get('reason'), BYES),
    retry_after_s: retry_after_s === null ? null : checks.number(retry_after_s, 0, 86_400),
  });
}
