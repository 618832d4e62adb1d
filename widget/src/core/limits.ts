/** Named bounds on everything a peer can make grow. The shared ones equal `limits.py` in Python. */

export const KIB = 1024;
const MIB = 1024 * KIB;

/** Largest link message: every browser's DataChannel carries this much whole (RFC 8831 §6.6). */
export const LINK_MESSAGE_BYTES = 16 * KIB;
/** Largest ticket, as text. */
export const TICKET_BYTES = 512;
/** Largest JSON message between volunteer and broker, and largest control message. */
export const SIGNAL_MESSAGE_BYTES = 8 * KIB;
/** Links of one person through this volunteer: the first link, and its lanes. */
export const LANES = 4;
/** ICE candidates in one description. */
export const CANDIDATES = 8;
/** Candidates of one description that have the same IP address. */
export const CANDIDATE_PORTS = 2;
/** Largest signed descriptor. */
export const DESCRIPTOR_BYTES = 64 * KIB;
/** Brokers in one descriptor; also exits, and STUN servers. */
export const DESCRIPTOR_ENTRIES = 256;
/** Largest sealed message that people carry by hand, as text. */
export const TEXT_SEALED_BYTES = 4 * KIB + 48;
/** Largest invite URL. */
export const INVITE_CHARS = 512;
/** Gaps that one `resend` message may name. */
export const RESEND_GAPS = 16;
/** Messages of a media link that a relay keeps until the client acknowledges them: twice a link's window,
 * because the exit may learn of what has arrived before the relay does. */
export const MEDIA_KEPT_BYTES = 8 * MIB;
/** Largest video frame that a relay makes. */
export const FRAME_BYTES = 128 * KIB;
/** Largest frame at the rate of the browser's own congestion control: each of its packets must arrive. */
export const PACED_FRAME_BYTES = 60_000;
/** Largest frame that a relay takes. */
export const PICTURE_FRAME_BYTES = 256 * KIB;
/** Longest picture in it: more than twice the bare pixels of ours. Browsers keep hundreds that wait for a lost one. */
export const LONGEST_PICTURE_BYTES = 16 * KIB;
/** Distance of a message's number from the next one's: a number beyond is an invented one. */
export const MESSAGES_AHEAD = 65_536;
/** Header extensions that a browser may refuse: so many numbers they have. */
export const EXTENSIONS = 14;
/** Pieces of one message in a link that looks like a call. */
export const MESSAGE_PIECES = 128;
/** Bytes that a test of this device's rate moves each way, at most. */
export const RATE_TEST_BYTES = 2_000_000;
/** Size of its binary messages. */
export const RATE_TEST_MESSAGE_BYTES = 4 * KIB;
/** What is on its way at first in a test, before anything is acknowledged. */
export const RATE_TEST_AHEAD_BYTES = 32 * KIB;
/** Longest text in a test. */
export const RATE_TEST_TEXT_CHARS = 128;

// The bounds below exist only in the relay.

/** Link messages that wait, in each direction, while the side they go to is still opening. */
export const WAITING_BYTES = MIB;
/** Bytes on their way to one side of a link, in the relay's queue and in the browser's buffer. A page
 * cannot slow down the far end of a WebSocket, so the relay must hold what a session's window lets
 * through: 4 MiB of data, and the session's other messages. */
export const BUFFERED_BYTES = 8 * MIB;
/** Added to the bytes of each waiting message, because even an empty message takes memory. */
export const MESSAGE_COST_BYTES = 64;
/** The relay stops filling the browser's own buffer above this mark. */
export const HIGH_WATER_BYTES = MIB;
/** The relay fills the browser's buffer again below this mark, which is 20 ms of work at 100 Mbit/s. */
export const LOW_WATER_BYTES = MIB / 4;
/** Lanes that one person may ask for at once. After that, one lane a second. */
export const LANE_BURST = 8;
/** Offers that are taken at once, from all brokers together. Each costs a PeerConnection on the page's main thread and a
 * WebSocket, even when it comes to nothing. So many can fill every slot. */
export const OFFER_BURST = 64;
/** Offers taken a second after that. A volunteer with 64 slots, whose people stay half a minute, needs no more. */
export const OFFERS_PER_S = 2;
/** Offers declined at once beyond these, before the conversation with the broker is ended. */
export const SURPLUS_OFFER_BURST = 64;
/** Offers declined a second after that. A broker that was told of no free place makes none. */
export const SURPLUS_OFFERS_PER_S = 4;
/** Text messages that an exit may send at once over one link. A relay uses none of them. */
export const EXIT_TEXT_BURST = 16;
/** Runs of the relay that a page begins anew because an exit would not let go. */
export const RESTARTS = 3;
/** People helped at once, at most. The messages `hello` and `ready` can say no larger number. */
export const SLOTS = 64;
/** What a link that looks like a call costs at most, both directions together, in Mbit/s: 1.7 for a small picture from
 * the reader, 2.5 for a large one to him, sound, and repairs. A volunteer whose limit has no room for it takes no offer
 * of one, because the browser's encoder does not know that limit. */
export const CALL_MBIT = 5;
