/** Named bounds on everything a peer can grow; the same values as `passerelle/limits.py`. */

const KIB = 1024;
const MIB = 1024 * KIB;

/** Largest link message: what every browser's DataChannel carries whole (RFC 8831 §6.6). */
export const LINK_MESSAGE_BYTES = 16 * KIB;
/** Largest ticket as text. */
export const TICKET_BYTES = 512;
/** Largest JSON message between volunteer and broker, and largest control message. */
export const SIGNAL_MESSAGE_BYTES = 8 * KIB;
/** ICE candidates in one description. */
export const CANDIDATES = 8;
/** Largest signed descriptor. */
export const DESCRIPTOR_BYTES = 64 * KIB;
/** Brokers, exits or STUN servers in one descriptor. */
export const DESCRIPTOR_ENTRIES = 256;
/** Largest invite URL. */
export const INVITE_CHARS = 512;

// The relay's own.

/** Link messages that wait, each way, while the other side is still opening. */
export const WAITING_BYTES = MIB;
/** Bytes one side may hold unsent: a page cannot slow down the far end of a WebSocket. */
export const BUFFERED_BYTES = 8 * MIB;
/** People helped at once, at most: what `hello` and `ready` can say. */
export const SLOTS = 64;
