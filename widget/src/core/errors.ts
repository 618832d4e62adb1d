/** What goes wrong, split by who is told: a peer (`PeerError`, a code) or the visitor (`Problem`). */

/** Why a link or a conversation is closed; the values of `errors.LinkCode` in Python. */
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

/** Return the WebSocket close code that stands for `code`. */
export const closeCode = (code: LinkCode): number => 4000 + LINK_CODES[code];

/** A peer broke the protocol; `code` is what its connection is closed with. */
export class PeerError extends Error {
  constructor(
    readonly code: 'malformed' | 'limit',
    what: string,
  ) {
    super(what);
  }
}

/** Why the switch cannot help right now; each has its sentence in `element/words.ts`. */
export const REASONS = [
  'invite',
  'insecure',
  'no_webrtc',
  'old_browser',
  'script',
  'worker',
  'network_unreachable',
  'network_signature',
  'network_format',
  'network_expired',
  'broker_unreachable',
  'broker_garbled',
  'broker_version',
  'broker_refused',
  'broker_full',
  'broker_restart',
  'internal',
] as const;

export type Reason = (typeof REASONS)[number];

/** Something the visitor is told about. */
export class Problem extends Error {
  constructor(
    readonly reason: Reason,
    /** Whether trying again by itself may help. */
    readonly transient = false,
  ) {
    super(reason);
  }
}
