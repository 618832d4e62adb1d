/** Named bounds on everything that a peer can make grow. They equal `limits.py` in Python. */

import { KIB, LINK_MESSAGE_BYTES } from '../../widget/src/core/limits';

const MIB = 1024 * KIB;

/** Fields of one HTTP message, and of its trailers. */
export const MESSAGE_FIELDS = 128;
/** Names and values of these. */
export const MESSAGE_FIELDS_BYTES = 64 * KIB;
/** Longest path, authority or field name. */
export const MESSAGE_LINE_BYTES = 16 * KIB;
/** Longest sealed chunk of an answer: a link message. */
export const SEALED_CHUNK_BYTES = LINK_MESSAGE_BYTES;
/** Longest sealed request. */
export const GATEWAY_REQUEST_BYTES = 2 * MIB;
/** Requests of one link at once. */
export const GATEWAY_REQUESTS = 64;
/** What a gateway may send of one answer, and on one link in all, before the reader allows more. */
export const GATEWAY_CREDIT_BYTES = 256 * KIB;
/** Credit that one answer or one link may have. */
export const GATEWAY_CREDIT_MOST_BYTES = 4 * MIB;

// The bounds below exist only in the reading page.

/** Largest line that sets a cookie. */
export const COOKIE_BYTES = 4096;
/** Cookies of one host, and of all hosts together. */
export const COOKIES_PER_HOST = 60;
export const COOKIES = 300;
/** Cookies of one request together: servers take little more. */
export const COOKIE_LINE_BYTES = 16 * KIB;
/** What a gateway may send of one answer, and on one link, once the reader has allowed more. An answer that nobody
 * reads holds no more than this. */
export const ANSWER_WINDOW_BYTES = 2 * MIB;
export const LINK_WINDOW_BYTES = GATEWAY_CREDIT_MOST_BYTES;
/** Smallest window of a link with video: a gateway's frame. */
export const MEDIA_WINDOW_LEAST_BYTES = LINK_MESSAGE_BYTES;
/** Largest window of such a link. A browser keeps 2,048 packets from the first one of an unfinished frame on, and drops
 * all unfinished frames when one more comes; a packet has about 1,150 bytes of messages. */
export const MEDIA_WINDOW_MOST_BYTES = 1_750 * KIB;
/** Messages of a link with video that are kept until its frames are at hand, which takes a moment. */
export const MEDIA_EARLY_MESSAGES = 256;
/** No PING is answered while so much waits to be sent. */
export const PONGS_WAITING_BYTES = 64 * KIB;
/** Largest content of a request: the gateway takes no more. */
export const CONTENT_BYTES = MIB;
/** Longest document that the frame shows, plain words included, unpacked: a long book has less. More than this holds up
 * the browser for many seconds. */
export const PAGE_BYTES = 8 * MIB;
/** Redirects of one page, one after the other: browsers stop after 20 and say nothing that a reader understands. */
export const REDIRECTS = 16;
/** Times that one request is sent, over one volunteer after the other. */
export const TRIES = 6;
/** Largest document of the second tier, largest image or style in it, and how many of these. */
export const ARTICLE_BYTES = 8 * MIB;
export const PART_BYTES = 8 * MIB;
export const ARTICLE_PARTS = 200;
/** Packed bytes that are unpacked at once: gzip makes at most a thousand times as many of them. */
export const PACKED_PIECE_BYTES = 4 * KIB;
/** Texts that a volunteer may send on one link, and the longest: an honest one sends a few short ones. */
export const LINK_TEXTS = 64;
export const LINK_TEXT_BYTES = 8 * KIB;
/** Requests that may fail one after the other on a link that has brought answers, before it is given up. */
export const LINK_FAILURES = 3;
/** Answers of the site that came late and are kept for the page that asks again, and how long: each holds a connection. */
export const LATE_ANSWERS = 8;
export const LATE_ANSWER_MS = 3_000;
/** Longest file of the worker at the site's own address, and what of it may come before the code. WordPress takes no more. */
export const SURVIVE_FILE_BYTES = MIB;
export const SURVIVE_HEAD_BYTES = KIB;
/** What of a page has to come before nobody looks on any more: what is cut off is cut off after some 16 KB. */
export const SURVIVE_WATCHED_BYTES = MIB;
/** Hosts that were left out and are remembered, and the longest text that a page can have the shell show or keep. */
export const LEFT_OUT_HOSTS = 64;
export const SHOWN_TEXT = 512;
/** Shortest and longest pause before volunteers are asked for again; each is spread to twice as long. A page that shows
 * nothing is waited for by somebody. Spares save seconds when a volunteer leaves. A request through a door takes some 12 KB
 * with TLS, so one in three hours stays within the 4 KB of an hour that a door is to carry. */
export const ASK_PAUSES_MS = {
  any: [500, 16_000],
  spares: [1_000, 150_000],
  sparesByDoor: [3 * 3_600_000, 12 * 3_600_000],
} as const;
/** Doors through which one request goes at most. */
export const DOORS_AT_ONCE = 3;
/** A door that never answered may be silent for so long before the next is tried beside it: a connection and an answer take
 * less on most ways, and RFC 8305 §5 names 250 ms for a connection alone. Where a broker is asked for, each further door comes
 * so much later again, so that few are contacted. */
export const DOOR_STAGGER_MS = 400;
/** One that answered has more: the gateway says every 2.5 s that the site is silent, and a broker waits 2 s for volunteers. */
export const KNOWN_DOOR_MS = 3_000;
/** A chunk of an answer that has begun to come through a door goes on but for pauses of this time. Where doors are left for
 * it and all others are as slow, the pauses may be longer. */
export const DOOR_PAUSE_MS = 2_000;
/** A broker that never answered is waited for alone for so long: a connection and an answer take less on most ways. A door
 * that is asked beside a slow one costs its owner 5 KB. Where a door worked at the last visit, DOOR_STAGGER_MS are enough. */
export const BROKER_PATIENCE_MS = 1_200;
/** Offers that take longer than this have a ticket asked for beside them. A STUN server that can be reached answers sooner on
 * most ways, so most pages ask their broker once. */
export const OFFERS_MS = 250;
/** A ticket lasts an hour. So long after it came the next is asked for where the gateway passes that on: once it has run out
 * the gateway takes nothing any more, and a door would have to. */
export const TICKET_RENEWAL_MS = 45 * 60_000;
/** Zero bits of the first proof of work in a text for a friend. A broker wants one of whoever it has not seen, and each
 * refusal would cost people another text (USUAL_PROOF_BITS of `limits.py`). */
export const FRIEND_PROOF_BITS = 18;
/** A text for a friend is waited for so long, with one connection: brokers take it for 15 minutes, and its answer serves for
 * 5 more. */
export const FRIEND_TEXT_MS = 1_200_000;
