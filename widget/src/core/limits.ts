/** Named bounds on everything a peer can grow; the same values as `passerelle/limits.py`. */

const KIB = 1024;
const MIB = 1024 * KIB;

/** Largest link message: what every browser's DataChannel carries whole (RFC 8831 §6.6). */
export const LINK_MESSAGE_BYTES = 16 * KIB;
/** Largest ticket as text. */
export const TICKET_BYTES = 512;
/** Largest JSON message between volunteer and broker, and largest control message. */
export const SIGNAL_MESSAGE_BYTES = 8 * KIB;
/** Links of one person through this volunteer: one, and its lanes. */
export const LANES = 4;
/** ICE candidates in one description. */
export const CANDIDATES = 8;
/** … and of these on one address. */
export const CANDIDATE_PORTS = 2;
/** Largest signed descriptor. */
export const DESCRIPTOR_BYTES = 64 * KIB;
/** Brokers, exits or STUN servers in one descriptor. */
export const DESCRIPTOR_ENTRIES = 256;
/** Largest sealed message that is carried by hand as text. */
export const TEXT_SEALED_BYTES = 4 * KIB + 48;
/** Largest invite URL. */
export const INVITE_CHARS = 512;
/** Gaps named in one request to a relay. */
export const RESEND_GAPS = 16;
/** Messages a relay keeps until the client has them: a link's window, and what is no data. */
export const MEDIA_KEPT_BYTES = 5 * MIB;
/** Largest video frame a relay makes. */
export const FRAME_BYTES = 128 * KIB;

// The relay's own.

/** Link messages that wait, each way, while the other side is still opening. */
export const WAITING_BYTES = MIB;
/** Bytes on their way to one side, waiting here or in the browser: a page cannot slow down the far
 * end of a WebSocket. A session's window puts 4 MiB there at most, and the rest of its messages. */
export const BUFFERED_BYTES = 8 * MIB;
/** What a waiting message counts beside its bytes: an empty one takes room too. */
export const MESSAGE_COST_BYTES = 64;
/** A browser's own buffer is filled up to here … */
export const HIGH_WATER_BYTES = MIB;
/** … and again once it is down to this: 20 ms of work at 100 Mbit/s. */
export const LOW_WATER_BYTES = MIB / 4;
/** Lanes one person may ask for at once; after that, one a second. */
export const LANE_BURST = 8;
/** People helped at once, at most: what `hello` and `ready` can say. */
export const SLOTS = 64;
