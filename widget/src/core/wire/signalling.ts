/** JSON messages between this volunteer and a broker (`passerelle/wire/signalling.py`). */

import { decode as decodeBase64 } from './base64';
import * as description from './description';
import type { Description } from './description';
import { PeerError } from '../errors';
import { SIGNAL_MESSAGE_BYTES, TICKET_BYTES } from '../limits';
import * as shape from './checks';

/** Version of these messages. */
export const VERSION = 1;
export const SOFTWARE = 'passerelle-switch/0.1.0';
export const EXIT_ID = /^[a-z0-9-]{1,32}$/;
/** ISO 3166-1: as coarse as a place gets here. */
export const COUNTRY = /^[A-Z]{2}$/;

export type Decline = 'busy' | 'unknown_exit' | 'unsupported' | 'failed';

/** How this browser's network treats UDP; the words of `NatClass` in Python. */
export type NatClass = 'open' | 'restricted' | 'symmetric' | 'blocked' | 'unknown';

export type FromVolunteer =
  | {
      readonly type: 'hello';
      readonly version: number;
      readonly software: string;
      readonly free: number;
      readonly nat: NatClass;
    }
  /** Without `nat`: as said before. */
  | { readonly type: 'ready'; readonly free: number; readonly nat?: NatClass }
  | { readonly type: 'answer'; readonly offer: number; readonly description: Description }
  | { readonly type: 'decline'; readonly offer: number; readonly reason: Decline }
  /** Somebody gave the visitor a sealed request by hand: answer it, with me as the volunteer. */
  | { readonly type: 'friend'; readonly id: number; readonly request: string };

/** A client wants a link to an exit, which is looked up in the signed descriptor. */
export interface BrokerOffer {
  readonly type: 'offer';
  readonly offer: number;
  readonly exit: string;
  readonly ticket: string;
  readonly description: Description;
  /** The client comes late: the answer is carried to it by hand. */
  readonly patient?: true;
  /** Where the client seems to be; null when the broker cannot tell. */
  readonly country: string | null;
}

/** The hello was accepted; offers may come. */
export interface BrokerWelcome {
  readonly type: 'welcome';
  readonly version: number;
  /** Where this volunteer seems to be; null when the broker cannot tell. */
  readonly country: string | null;
  /** Helping may be dangerous there. */
  readonly caution: boolean;
}

/** The sealed reply to a `friend`, base64; null when the request cannot be used. */
export interface BrokerFriendReply {
  readonly type: 'friend_reply';
  readonly id: number;
  readonly reply: string | null;
}

const BYES = ['version', 'malformed', 'restart', 'full'] as const;

/** The conversation ends; come back after `retry_after_s`, or never when it is null. */
export interface BrokerBye {
  readonly type: 'bye';
  readonly reason: (typeof BYES)[number];
  readonly retry_after_s: number | null;
}

export type FromBroker = BrokerWelcome | BrokerOffer | BrokerFriendReply | BrokerBye;

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
 * Unknown fields are ignored: a page may pin a switch that is years older than its broker.
 */
export function decode(data: unknown): FromBroker {
  if (typeof data !== 'string') throw new PeerError('malformed', 'a binary signalling message');
  if (data.length > SIGNAL_MESSAGE_BYTES) throw new PeerError('limit', 'a large message');
  const given = shape.parse(data);
  switch (given.get('type')) {
    case 'welcome':
      return welcome(given);
    case 'offer':
      return offer(given);
    case 'friend_reply':
      return friendReply(given);
    case 'bye':
      return bye(given);
    default:
      throw new PeerError('malformed', 'an unknown type');
  }
}

function welcome(given: shape.Fields): BrokerWelcome {
  const version = given.has('version')
    ? shape.integer(given.get('version'), Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
    : VERSION;
  return Object.freeze({
    type: 'welcome',
    version,
    country: country(given),
    caution: given.has('caution') ? shape.boolean(given.get('caution')) : false,
  });
}

function country(given: shape.Fields): string | null {
  const code = given.get('country') ?? null;
  return code === null ? null : shape.text(code, 2, 2, COUNTRY);
}

function offer(given: shape.Fields): BrokerOffer {
  const patient = given.has('patient') && shape.boolean(given.get('patient'));
  return Object.freeze({
    type: 'offer',
    offer: shape.integer(given.get('offer'), 0, 2 ** 31 - 1),
    exit: shape.text(given.get('exit'), 1, 32, EXIT_ID),
    ticket: shape.text(given.get('ticket'), 0, TICKET_BYTES),
    description: description.read(given.get('description')),
    country: country(given),
    ...(patient ? { patient } : {}),
  });
}

function friendReply(given: shape.Fields): BrokerFriendReply {
  const reply = given.get('reply');
  if (reply !== null && !decodeBase64(shape.text(reply, 0, SIGNAL_MESSAGE_BYTES))) {
    throw new PeerError('malformed', 'not base64');
  }
  return Object.freeze({
    type: 'friend_reply',
    id: shape.integer(given.get('id'), 0, 2 ** 31 - 1),
    reply: reply as string | null,
  });
}

function bye(given: shape.Fields): BrokerBye {
  const retry_after_s = given.get('retry_after_s') ?? null;
  return Object.freeze({
    type: 'bye',
    reason: shape.oneOf(given.get('reason'), BYES),
    retry_after_s: retry_after_s === null ? null : shape.number(retry_after_s, 0, 86_400),
  });
}
