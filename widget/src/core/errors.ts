/** Errors, split by who is told: a peer gets a code (`PeerError`), the visitor a sentence (`Problem`). */

/** Reasons for closing a link or a conversation with a broker, with the numbers of Python's `LinkCode`. */
const LINK_CODES = {
  normal: 0,
  malformed: 1,
  limit: 7,
  timeout: 8,
  draining: 9,
  internal: 10,
  transport: 12,
} as const;

export type LinkCode = keyof typeof LINK_CODES;

/** The WebSocket close codes from here on are free for applications (RFC 6455 §7.4.2). */
const FIRST_CLOSE_CODE = 4000;

/** Return the WebSocket close code for `code`. */
export const closeCode = (code: LinkCode): number => FIRST_CLOSE_CODE + LINK_CODES[code];

/** A peer broke the protocol. Its connection is closed with `code`. */
export class PeerError extends Error {
  constructor(
    readonly code: 'malformed' | 'limit',
    what: string,
  ) {
    super(what);
  }
}

/** Reasons why the switch cannot help right now. Each has its sentence in `words/LANGUAGE.json`. */
export const REASONS = [
  'invite',
  'insecure',
  'framed',
  'covered',
  'no_webrtc',
  'old_browser',
  'script',
  'policy',
  'network_unreachable',
  'network_signature',
  'network_format',
  'network_expired',
  'exit_unreachable',
  'exit_garbled',
  'too_slow',
  'broker_unreachable',
  'broker_garbled',
  'broker_version',
  'broker_refused',
  'broker_full',
  'broker_restart',
  'internal',
] as const;

export type Reason = (typeof REASONS)[number];

/** The switch cannot help, and the visitor is told why. */
export class Problem extends Error {
  constructor(
    readonly reason: Reason,
    /** Whether the same thing may work a little later. */
    readonly transient = false,
  ) {
    super(reason);
  }
}

/** Return the reason of what was thrown, which may come from another file's copy of `Problem`. */
export const reasonOf = (error: unknown): Reason => (error as Partial<Problem> | undefined)?.reason ?? 'internal';

/** Why `helpFriend` found no answer to a text. */
export type FriendFailure =
  /** The switch is off, or no broker is connected. */
  | 'off'
  /** The text is not a reader's request, or not all of it. */
  | 'text'
  /** The broker refused the request: it is for another network, too old, or was used before. */
  | 'refused'
  /** The broker did not answer in time. */
  | 'timeout';
