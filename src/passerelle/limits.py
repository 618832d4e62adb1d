"""Named bounds on everything that a peer can grow.

The end of a name is its unit: `_BYTES`, `_CHARS`, `_S` for seconds; a name without one counts
things. Each docstring says what is bounded, and why there.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
"""Bytes in a kibibyte."""
MIB: Final = 1024 * KIB
"""Bytes in a mebibyte."""

# --- link messages and frames (wire/envelope, wire/frames) ----------------------------------------
LINK_MESSAGE_BYTES: Final = 16 * KIB
"""Longest link message: every browser's DataChannel carries that much whole (RFC 8831 §6.6)."""
TLS_RECORD_OVERHEAD_BYTES: Final = 22
"""What TLS 1.3 adds to a record: 5 header, 1 content type, 16 tag (RFC 8446 §5.2)."""
FRAME_HEADER_BYTES: Final = 3
"""Header of a frame: one byte of type, two of length."""
DATA_HEADER_BYTES: Final = FRAME_HEADER_BYTES + 8
"""Header of a DATA frame: a frame's, and an offset of eight bytes."""
ENVELOPE_BYTES: Final = 2
"""What an envelope adds to a message beside padding: a length of two bytes."""
RECORD_BYTES: Final = LINK_MESSAGE_BYTES - ENVELOPE_BYTES - TLS_RECORD_OVERHEAD_BYTES
"""Longest plaintext of a TLS record: it fits one link message, in an envelope too."""
DATA_BYTES: Final = RECORD_BYTES - DATA_HEADER_BYTES
"""Longest payload of a DATA frame: one frame is one TLS record and one link message."""
FRAME_BODY_BYTES: Final = LINK_MESSAGE_BYTES
"""Longest frame body a peer may announce: no frame needs more than one message."""
ACK_RANGES: Final = 32
"""Out-of-order ranges in one ACK: it stays a small frame, and later ACKs have the rest."""
ENVELOPED_MESSAGES: Final = 10
"""Messages at the start of a link, each way, in padded envelopes: TLS's handshake is among them."""
TICKET_BYTES: Final = 512
"""Longest ticket as text: a signed one has about 150, and it travels in a WebSocket's header."""

# --- sealed HTTP (wire/binaryhttp, wire/oblivious, wire/gatewayframes) ----------------------------
MESSAGE_FIELDS: Final = 128
"""Fields of one HTTP message, and of its trailers: sites send a few dozen."""
MESSAGE_FIELDS_BYTES: Final = 64 * KIB
"""Names and values of these: browsers stop at a few cookies of 4 KiB."""
MESSAGE_LINE_BYTES: Final = 16 * KIB
"""Longest path, authority or field name: servers take URLs of 8 KiB."""
ANSWER_CHUNK_BYTES: Final = 16_000
"""Plaintext of a full chunk of an answer: sealed, it is one link message, and a video frame takes
it whole."""
SEALED_CHUNK_BYTES: Final = LINK_MESSAGE_BYTES
"""Longest sealed chunk of an answer that a reader takes: a link message."""
GATEWAY_REQUEST_BYTES: Final = 2 * MIB
"""Longest sealed request: forms and a reader's photograph, on one mebibyte and its padding."""
SURVIVE_FILE_BYTES: Final = MIB
"""Longest file of the worker at a site's own address: it has some 200 KB; workers and the WordPress
plugin take no longer one."""
GATEWAY_REQUESTS: Final = 64
"""Requests of one link at once: a browser asks a site for a few dozen things."""
GATEWAY_POSTS: Final = 1024
"""Sealed requests without a link that are under way at one exit process: a door brings many."""
GATEWAY_POSTS_PIECE_BYTES: Final = 64 * KIB
"""Steps in which is counted what such a request has brought: most are shorter than one."""
GATEWAY_POSTS_PIECES: Final = 1024
"""Steps of all of those together: 64 MiB, beyond less than one of each."""
GATEWAY_WAITING_BYTES: Final = 4 * MIB
"""Requests of one link that have not arrived in full."""
GATEWAY_CREDIT_BYTES: Final = 256 * KIB
"""What a gateway may send of one answer, and on one link in all, before the reader allows more: a
story at once, and little queued in front of a slow volunteer."""
GATEWAY_CREDIT_MOST_BYTES: Final = 4 * MIB
"""Credit that one answer or one link may have: a relay may have to hold that much, as it does for a
link window."""
GATEWAY_KEYS: Final = 16
"""Keys of one gateway in a descriptor: one for each day of its life, and some to spare."""
GATEWAY_SITES: Final = 64
"""Names of sites that a descriptor lists for one gateway."""

GATEWAY_SEEN_BYTES: Final = 32 * MIB
"""Memory against repeated requests, for each of a gateway's two keys. With twenty million requests
to one key, two in a thousand are taken for repeated and are sealed anew."""
GATEWAY_CACHE_BYTES: Final = 64 * MIB
"""Answers of the site that a gateway keeps for all readers: the front page and today's stories."""
GATEWAY_CACHED_BYTES: Final = 2 * MIB
"""Longest answer that is kept: a story's pictures are shorter, and films are asked for in parts."""
GATEWAY_VARIANTS: Final = 4
"""Answers kept for one address of the site, one for each language or encoding asked for."""
GATEWAY_UNSHARED: Final = 4096
"""Addresses remembered as having answers that may not be kept: readers do not wait for each other
there."""
GATEWAY_UNSHARED_S: Final = 60
"""How long that is remembered."""
GATEWAY_SITE_CONNECTIONS: Final = 128
"""Connections of one exit process to the publisher's servers: a story's readers share one."""
GATEWAY_ONCE: Final = 1024
"""Requests with an `Idempotency-Key` whose answers are remembered, at one exit process."""
GATEWAY_ONCE_OF_TICKET: Final = 64
"""Such requests of one reader, who so takes nobody's place: more than one a second is no form."""
GATEWAY_ONCE_BYTES: Final = 32 * MIB
"""Answers of these that are held in all: a form's answer is a page."""
GATEWAY_ONCE_S: Final = 60
"""How long such an answer is remembered: a reader finds another volunteer in seconds."""
GATEWAY_TICKETS: Final = 4096
"""Client tickets whose signature a gateway need not check again: each comes with every request."""
GATEWAY_CLOCK_SKEW_S: Final = 900
"""Difference between the exit's clock and the `Date` of a request that changes something."""
GATEWAY_SILENT_S: Final = 2.5
"""Longest silence of a gateway that has accepted a request: readers wait 8 s for a volunteer."""
GATEWAY_ARRIVAL_S: Final = 30.0
"""Longest time that a request may take to arrive: 2 MiB over half a megabit a second."""
GATEWAY_EXCHANGE_S: Final = 3600.0
"""Longest time for one answer: 900 MB at 2 Mbit/s. Whoever wants more asks for the rest."""

# --- signalling (wire/signalling, wire/rendezvous, wire/description) ------------------------------
SIGNAL_MESSAGE_BYTES: Final = 8 * KIB
"""Longest JSON message between volunteer and broker: a friend's request in it has 5.4 KiB."""
CANDIDATES: Final = 8
"""ICE candidates in one description: each makes the other side send packets somewhere."""
CANDIDATE_PORTS: Final = 2
"""Candidates on one address: a symmetric NAT shows two STUN servers one port each."""
OFFERS_PER_REQUEST: Final = 4
"""Volunteers asked for in one rendezvous request: a client keeps three links by default."""
LANES: Final = 4
"""Links of one client through one volunteer: each costs its browser a PeerConnection."""
AVOIDED_VOLUNTEERS: Final = 16
"""Volunteers one rendezvous request may ask not to be given: as many as a session has links."""
SEALED_SIZES: Final = (1 * KIB, 2 * KIB, 4 * KIB, 8 * KIB)
"""Size classes of a sealed message's plaintext in bytes: an observer learns one of four sizes."""
TOKEN_VOLUNTEERS: Final = 4096
"""Volunteers that the holders of one token may learn of in a day: a quarter of a full broker's."""
USUAL_PROOF_BITS: Final = 18
"""Zero bits of an ordinary proof of work: a quarter of a second of an ordinary client's time."""
PROOF_BITS: Final = 26
"""Zero bits of the hardest proof of work a client does: a minute of an ordinary machine's time."""
RENDEZVOUS_CLOCK_SKEW_S: Final = 120
"""Difference between a request's time and the broker's: readers' clocks are seldom exact."""
FRIEND_CLOCK_SKEW_S: Final = 900
"""Difference of times for a request carried by hand: people need minutes to pass a text on."""
FRIEND_REQUESTS: Final = 256
"""Requests carried by hand that one broker answers at once: people carry few."""
DESCRIPTOR_BYTES: Final = 64 * KIB
"""Longest signed descriptor: a browser fetches and checks it whole."""
DESCRIPTOR_ENTRIES: Final = 256
"""Brokers, exits or STUN servers in one descriptor: four times the workers of one machine."""
INVITE_CHARS: Final = 512
"""Longest invite: people send it as one line of text."""
WAYS: Final = 8
"""Ways to one broker in a descriptor or an invite: a client tries each of them."""
DOORS: Final = 64
"""Doors of a network in its descriptor: many cheap ones, each of which a censor has to find."""
TEXT_SEALED_BYTES: Final = 4 * KIB + 48
"""Longest sealed message that travels as text: servers and caches limit a URL to 8 KB."""
AMP_PAGE_BYTES: Final = 160 * KIB
"""Longest page from an AMP cache: a descriptor in base64url, and what the cache adds."""

# --- the client's local port (core/localport) -----------------------------------------------------
PROXY_HEAD_BYTES: Final = 64 * KIB
"""Longest HTTP request head of an application: browsers stop at a few cookies of 4 KiB."""
PROXY_RESPONSE_HEAD_BYTES: Final = 256 * KIB
"""Longest HTTP response head of a site: as much as Chromium takes."""
LOGIN_PASSWORD_CHARS: Final = 12
"""Shortest password of a proxy that others can reach: with the tries below none can be guessed."""
LOGIN_TRIES: Final = (10, 1 / 60)
"""Wrong logins of one network, at once and a second: a person mistypes a few times."""
LOGIN_NETWORKS: Final = 1024
"""Networks whose wrong logins are counted: more than a house or an office has machines."""
SECRET_FILE_BYTES: Final = 16 * KIB
"""What is read of a file with an invite, a token or a login: a larger one is some other file."""

# --- dialling at the exit (io/net/dns, io/net/dial) -----------------------------------------------
DNS_LOOKUPS: Final = 512
"""Names looked up at once: each may wait for seconds; beyond, whoever has most loses one."""
DNS_CACHE: Final = 4096
"""Names whose addresses are remembered: an answer is kept for a minute at most."""
DNS_ADDRESSES: Final = 64
"""Addresses of one name that are looked at: a hostile answer may list thousands."""
DIAL_ADDRESSES: Final = 8
"""Addresses tried for one name: a hostile answer may name hundreds of victims."""
OWN_ADDRESSES: Final = 4096
"""Addresses remembered, for a moment, as the exit's own or not: the kernel is asked for each."""
DIAL_TIMEOUT_S: Final = 15
"""Time to resolve a name and connect: three SYN retransmissions, less than a browser waits."""

# --- session (core/tunnel/session, reassembly, estimator) -----------------------------------------
SESSION_WINDOW_BYTES: Final = 8 * MIB
"""What a receiver holds beyond the in-order offset: 200 Mbit/s at 300 ms, with room to reorder."""
PENDING_SEGMENTS: Final = 16 * KIB
"""Out-of-order segments held: a peer that sends tiny ones must not grow the bookkeeping."""
LINKS_PER_SESSION: Final = 16
"""Links of one session, those that drain included: four volunteers with all their lanes."""
UNRELAYED_LINKS: Final = 3
"""Links without a volunteer that a client tries in a row: what one door does not carry, few do."""
CLIENT_TICKET_USED_S: Final = 1800
"""A client opens links without a volunteer by a ticket no older than half of its life."""
LINK_WINDOW_FLOOR_BYTES: Final = 8 * KIB
"""Smallest link window: a slow link stays measurable with little queued in front of it."""
LINK_WINDOW_CAP_BYTES: Final = 4 * MIB
"""Largest link window: a relay may have to hold that much for one link and direction."""
UNSENT_MOST_BYTES: Final = MIB
"""Bytes of a session that wait for links: a far side that asks on and on and takes nothing fills
them with HTTP/2's answers, and its session ends."""
UNSENT_BYTES: Final = 4 * LINK_MESSAGE_BYTES
"""What is cut from streams ahead of the links: a quiet stream never queues behind a busy one."""
LINK_OUTBOX_FRAMES: Final = 64
"""PONGs that wait for one link: a flood of PINGs beyond them is not answered."""

# --- whom something counts for (core/origin, core/shares) -----------------------------------------
SITE_SHARES: Final = 4
"""Shares of an IPv6 /48, where a /24 or /56 has one: it is one household at some providers, and a
company's site or 256 households at others."""
PROVIDER_SHARES: Final = 64
"""Shares of an IPv6 /32, the smallest prefix of most providers (RIPE-738)."""
CROWD_SHARES: Final = 64
"""Shares of one crowd: the readers behind one named cache or front, or all that nothing is known
of."""
TAG_SECRET_S: Final = 3600
"""Life of the secret behind the tags in tickets: that of a client ticket. An exit can tell for no
longer that two tickets were for one network."""

# --- streams (core/tunnel/streams) ----------------------------------------------------------------
STREAMS_PER_SESSION: Final = 256
"""Open streams in one session, each way: a browser opens about as many connections."""
STREAMS_WAITING: Final = 256
"""Streams of a client's session that wait for one to end: with the open ones, as many as
applications may have connections to the client."""
STREAM_WINDOW_BYTES: Final = 256 * KIB
"""What a new stream may hold for an application that does not read."""
STREAM_WINDOW_CAP_BYTES: Final = 4 * MIB
"""What a stream may hold whose application has shown that it keeps up: 100 Mbit/s at 300 ms."""
STREAM_GROWTH_BYTES: Final = 64 * MIB
"""Growth beyond the first windows of all streams of a session: it bounds their memory."""
CONNECTION_WINDOW_BYTES: Final = 16 * MIB
"""Upload of one session that sites have not read: it bounds an exit's memory."""
CLIENT_WINDOW_BYTES: Final = STREAMS_PER_SESSION * STREAM_WINDOW_BYTES + STREAM_GROWTH_BYTES
"""Download of one session that applications have not read: all that its streams may hold, so that
stalled ones stall no other, and not more."""
STREAM_HEADER_BYTES: Final = 4 * KIB
"""Size of a CONNECT request's or answer's headers (RFC 9113 §6.5.2): they hold one host name."""

# --- datagrams (wire/capsule, io/tunnel/flow, client and exit/datagrams) --------------------------
DATAGRAM_BYTES: Final = 65_527
"""Longest UDP payload: 65,535 less UDP's own header (RFC 9298 §5)."""
FLOWS_PER_SESSION: Final = 128
"""UDP flows among the streams of one session: half of the streams stay for TCP."""
FLOW_QUEUE_S: Final = 0.25
"""Age of the oldest datagram in a flow's queue at which new ones are dropped: as short on a slow
way as on a fast one, and long enough for QUIC to fill a long one."""
FLOW_QUEUE_BYTES: Final = 256 * KIB
"""Size of a flow's queue: within its time a fast sender could fill the memory."""
FLOW_WAITING_BYTES: Final = 64 * KIB
"""Datagrams of one destination that wait for its flow to be opened: a handshake's first ones."""
ASSOCIATION_FLOWS: Final = 64
"""Destinations of one application's UDP association: half of the flows of a session."""
CLIENT_ASSOCIATIONS: Final = 32
"""UDP associations of applications at once: each holds a socket."""
EXIT_FLOWS: Final = 8192
"""UDP flows at one exit process: each holds a socket, and links and TCP streams need theirs."""
FLOW_BATCH: Final = 16
"""Datagrams read from one socket before another has its turn."""

# --- shells (io/) ---------------------------------------------------------------------------------
CHANNEL_CHUNKS: Final = 8192
"""SCTP chunks incomplete or out of order on one DataChannel: a receive window of full packets, and
as much again for small ones."""
CHANNEL_SACK_BLOCKS: Final = 64
"""Gaps that one SACK tells of, and repeats that it names: it stays far below a packet's size."""
CHANNEL_CONTROL_CHUNKS: Final = 4
"""Chunks beside data in one SCTP packet: a browser bundles two, and each may draw an answer."""
CHANNEL_CONTROLS: Final = 32
"""Chunks beside data and acknowledgements on one DataChannel at once: opening it takes four."""
CHANNEL_CONTROLS_PER_S: Final = 2
"""Chunks a second beside data and acknowledgements: a browser sends two heartbeats a minute, and
each is answered."""
CHANNEL_PARAMETERS: Final = 16
"""Parameters of one SCTP chunk: a browser's INIT has about six."""
LINK_PACKET_BYTES: Final = 1500
"""Longest datagram on a link's socket: paths between a browser and a client carry no longer one."""
LINK_PACKETS: Final = 4096
"""Datagrams of one link that wait to be decrypted: a link's window of full ones, nearly."""
LINK_ADDRESSES: Final = 8
"""Addresses that no description named and that checks of a link came from: a NAT that gives each of
the client's sockets a port of its own shows a few."""
LINK_CHECKS: Final = 64
"""ICE checks of one link that are looked at in one go: a browser begins with twenty a second."""
LINK_CHECKS_PER_S: Final = 16
"""ICE checks a second that a link goes on looking at: a browser sends a few for each address."""
STRANGER_QUESTIONS: Final = 4
"""Questions to an address that no description named: they may be lost, and nobody may be made to
get many. Each is no larger than the check that drew it."""
LINK_WORK_S: Final = 0.5
"""Processor seconds that a link may take at once: ten DTLS handshakes on a slow machine."""
LINK_WORK_BUSY_SHARE: Final = 0.05
"""Share of the client's working time that goes to one link, whatever that link carries: the others
lose no more."""
LINK_WORK_IDLE_SHARE: Final = 0.5
"""Share of the client's idle time that goes to one link: nobody loses by it, and slow machines take
long for little."""
LINK_WORK_S_PER_BYTE: Final = 4e-7
"""Processor seconds that a byte of messages is worth: fifteen times what it takes on the machine of
docs/PERFORMANCE.md, so that slow machines may be slow."""
RELAY_WAITING_BYTES: Final = MIB
"""Link messages that wait at a volunteer, each way, while the side they go to is still opening."""
MESSAGE_COST_BYTES: Final = 64
"""Added to the bytes of each message that waits there, because even an empty one takes memory."""
RELAY_BUFFERED_BYTES: Final = 2 * LINK_WINDOW_CAP_BYTES
"""Link messages that wait at a volunteer on their way to one side: a link's window, and the other
messages of its session. More ends the link."""
RELAY_HIGH_WATER_BYTES: Final = MIB
"""What of a link may wait in a volunteer's engine: its exit is not read from above this mark."""
RELAY_LOW_WATER_BYTES: Final = MIB // 4
"""Its exit is read from again below this mark, which is 20 ms of work at 100 Mbit/s."""
VOLUNTEER_PEOPLE: Final = 256
"""People whom one volunteer's program helps at once, at most: each costs a PeerConnection."""
VOLUNTEER_SLOTS: Final = 64
"""Free places that `hello` and `ready` can name, however many there are."""
VOLUNTEER_OFFERS: Final = (64, 2.0)
"""Offers taken at once, and a second after that: each costs a PeerConnection and a WebSocket."""
VOLUNTEER_SURPLUS_OFFERS: Final = (64, 4.0)
"""Offers declined at once beyond those, and a second: more end the conversation with the broker."""
LANE_REQUESTS: Final = (8, 1.0)
"""Lanes that one person may ask a volunteer for at once, and a second after that."""
EXIT_FAILURES: Final = 256
"""Exits whose troubles a volunteer remembers: as many as a descriptor lists."""
VOLUNTEER_COUNTRIES: Final = 300
"""Countries by which a volunteer counts links: there are about 250 codes."""
ENGINE_ORDER_BYTES: Final = 64 * KIB
"""Longest order between a client and the process of Chrome's engine: the longest has a text of
`SIGNAL_MESSAGE_BYTES` characters."""
ENGINE_REASON_CHARACTERS: Final = 200
"""Longest reason for a link's end that this process may give: each of ours is a short sentence."""
ENGINE_QUEUE_BYTES: Final = 2 * SESSION_WINDOW_BYTES
"""What waits between the two processes, each way: the sessions' windows keep honest ends below it,
and one that does not read is given up."""
LINK_ASIDES: Final = (64, 2.0)
"""WebSocket messages of a link that are not the link's own (texts, PING, PONG), at once and a
second: a relay sends none, and each PING is answered."""
GATEWAY_PINGS: Final = (32, 8.0)
"""PINGs of a reading page on one link that are answered, at once and a second: more end the link. A
page sends five a second at most."""
TRANSPORT_QUEUE_BYTES: Final = LINK_WINDOW_CAP_BYTES + MIB
"""Messages that wait in a transport: the link's window keeps an honest one below it."""
PIECE_BYTES: Final = 4 * KIB
"""Size up to which a stream's small pieces are joined while nobody reads them: an object each would
cost a hundred times what the far side's window counts."""
PIECE_COST_BYTES: Final = 256
"""What one piece, segment or stream counts beside its bytes: the objects that hold it."""
STREAM_SEND_BYTES: Final = 128 * KIB
"""Bytes of one stream that wait for the session: beyond, its socket is not read."""
STREAM_CHUNK_BYTES: Final = LINK_MESSAGE_BYTES
"""Bytes that one stream sends before another has its turn: one link message."""
SOCKET_READ_BYTES: Final = 64 * KIB
"""Bytes read from an application's or a site's socket at once: four link messages."""

RATE_TEST_BYTES: Final = 2_000_000
"""What a test of a volunteer's rate moves each way at most: 10 Mbit/s take 1.6 s for it."""
RATE_TEST_MESSAGE_BYTES: Final = 4 * KIB
"""Size of its binary messages: a line of 0.1 Mbit/s carries one in 0.3 s."""
RATE_TEST_AHEAD_BYTES: Final = 32 * KIB
"""What is on its way at first, before anything is acknowledged: 1 s at 0.25 Mbit/s."""
RATE_TEST_MESSAGES: Final = 1024
"""Messages of one side in a test: 489 that carry bytes, as many acknowledgements, and a request."""
RATE_TEST_TEXT_CHARS: Final = 128
"""Longest text in a test: the longest has about 40 characters."""

# --- exit ---------------------------------------------------------------------------------------
EXIT_LINKS: Final = 8192
"""Links open at one exit process: each holds one of its 20,000 open files."""
EXIT_SESSIONS: Final = 4096
"""Sessions alive at one exit process, those without links included: two links for each."""
EXIT_ACCOUNTS: Final = 65_536
"""Client tickets without a session that are remembered with what they have used: sixteen for each
session that there may be."""
EXIT_ACCOUNTS_SWEPT: Final = 8
"""Old accounts looked at whenever one is added: expired ones leave faster than new ones come."""
STREAM_TURN_S: Final = 10
"""Longest time that a new stream waits for its turn, at the client for another stream to end and at
the exit by its ticket's quota: programs wait longer for an answer, and 256 streams at once at the
usual rate wait for less."""
EXIT_HELD_BYTES: Final = 512 * MIB
"""Memory that the sessions of one exit process hold together: what sites and readers have not
taken, and what waits for a missing segment. One session alone may hold some 150 MiB."""
IDLE_FRAMES_BURST: Final = 4096
"""Idle frames of HTTP/2 (SETTINGS, PING, tiny WINDOW_UPDATEs, empty DATA, malformed requests,
frames on streams that are gone) that a far side may send at once: an ordinary one sends a few."""
IDLE_FRAMES_PER_S: Final = 512
"""Idle frames a second that a far side may go on sending: more ends the session."""
STREAM_UPDATE_LEAST_BYTES: Final = KIB
"""Smallest WINDOW_UPDATE that counts as moving something: a flood of tiny ones costs work."""
SITE_WRITE_BYTES: Final = 256 * KIB
"""Bytes of one stream that are handed to the site's socket at once. The rest stays in the stream
until the socket has taken them, and its window stops the client."""
CONFIG_FILE_BYTES: Final = MIB
"""Longest configuration file: a larger one is some other file, named by mistake."""
DECOY_FILES: Final = 4096
"""Files of the site that an exit shows to strangers: their names are kept in memory."""
DECOY_PAGE_BYTES: Final = 256 * KIB
"""Longest page for what is not there: it is kept in memory."""
LINK_TICKET_LIFE_S: Final = 600
"""Longest life of a link ticket that an exit accepts: used ones are remembered for that long."""
LINK_TICKETS_USED: Final = 262_144
"""Used link tickets remembered against a second use: 400 a second for their longest life."""

# --- client -------------------------------------------------------------------------------------
CLIENT_CONNECTIONS: Final = 512
"""Applications' connections to the local port at once: twice the streams of a session."""
CLIENT_REFUSALS: Final = 64
"""Applications' connections that are told at once that there is no room: more are cut off."""
RANKED_WAYS: Final = 64
"""Ways to brokers that are tried and remembered: a descriptor may list more."""

# --- media links (core/media, io/webrtc/video) ----------------------------------------------------
MEDIA_PACKETS: Final = 8192
"""RTP packets that are missing, or wait for a missing one: a window of full ones, twice."""
MEDIA_FRAME_BYTES: Final = 256 * KIB
"""Longest video frame: twice what a relay puts into one."""
MEDIA_PICTURE_BYTES: Final = 16 * KIB
"""Longest picture in a frame: more than twice the bare pixels of ours. A video stack keeps hundreds
of pictures that wait for a lost one."""
MEDIA_HELD_BYTES: Final = LINK_WINDOW_CAP_BYTES + MIB
"""Link messages that wait for one before them: a link's window, and some to spare."""
MEDIA_KEPT_BYTES: Final = 2 * LINK_WINDOW_CAP_BYTES
"""Link messages that were sent and that a relay has not acknowledged: twice a link's window,
because an exit may acknowledge what it has before the relay does."""
MEDIA_MESSAGES: Final = 8192
"""Link messages, by number, that wait for one before them: small ones fill a window too."""
MEDIA_MESSAGES_AHEAD: Final = 65_536
"""Distance of a message's number from the next one's: a number beyond is an invented one."""
EXTENSIONS: Final = 14
"""Header extensions that a volunteer's browser may refuse: so many numbers they have."""
MESSAGE_PIECES: Final = 128
"""Pieces of one message in a link of the profile `call`: almost twice what the longest one has."""
MESSAGE_NUMBERS: Final = 1 << 32
"""Numbers that messages have before they start again from 0: they travel as four bytes."""
RESEND_GAPS: Final = 16
"""Gaps named in one request to a relay: it stays a small message, and later ones have the rest."""
