"""Named bounds on everything a peer can grow. Each line: value, unit, reason."""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

# --- link messages and frames (wire/envelope, wire/frames) ----------------------------------------
LINK_MESSAGE_BYTES: Final = 16 * KIB
"""Largest link message: what every browser's DataChannel carries whole (RFC 8831 §6.6)."""
TLS_RECORD_OVERHEAD_BYTES: Final = 22
"""TLS 1.3 record: 5 header, 1 content type, 16 tag (RFC 8446 §5.2)."""
FRAME_HEADER_BYTES: Final = 3
DATA_HEADER_BYTES: Final = FRAME_HEADER_BYTES + 8
ENVELOPE_BYTES: Final = 2
RECORD_BYTES: Final = LINK_MESSAGE_BYTES - ENVELOPE_BYTES - TLS_RECORD_OVERHEAD_BYTES
"""Plaintext of the largest TLS record that fits a link message, with or without envelope."""
DATA_BYTES: Final = RECORD_BYTES - DATA_HEADER_BYTES
"""Payload of the largest DATA frame: one frame, one TLS record, one link message."""
FRAME_BODY_BYTES: Final = LINK_MESSAGE_BYTES
"""Largest frame body a peer may announce."""
ACK_RANGES: Final = 32
"""Out-of-order ranges in one ACK; more are left to later ACKs."""
ENVELOPED_MESSAGES: Final = 10
"""First messages of a link, each way, that travel in a padded envelope."""
TICKET_BYTES: Final = 512
"""Largest ticket as text."""

# --- signalling (wire/signalling, wire/rendezvous, wire/description) ------------------------------
SIGNAL_MESSAGE_BYTES: Final = 8 * KIB
"""Largest JSON message between volunteer and broker."""
CANDIDATES: Final = 8
"""ICE candidates in one description."""
CANDIDATE_PORTS: Final = 2
"""… and of these on one address: what two STUN servers see of a symmetric NAT."""
OFFERS_PER_REQUEST: Final = 4
"""Volunteers asked for in one rendezvous request."""
LANES: Final = 4
"""Links of one client through one volunteer."""
AVOIDED_VOLUNTEERS: Final = 16
"""Volunteers one rendezvous request may ask not to be given."""
SEALED_SIZES: Final = (1 * KIB, 2 * KIB, 4 * KIB, 8 * KIB)
"""Size classes of a sealed message's plaintext, in bytes."""
TOKEN_VOLUNTEERS: Final = 4096
"""Volunteers the holders of one token may learn of in a day, at most."""
PROOF_BITS: Final = 26
"""Hardest proof of work a client does: a minute of an ordinary machine's time."""
RENDEZVOUS_CLOCK_SKEW_S: Final = 120
"""Seconds a rendezvous request's time may differ from the broker's."""
FRIEND_CLOCK_SKEW_S: Final = 900
"""The same for a request that people carry by hand."""
FRIEND_REQUESTS: Final = 256
"""Requests carried by hand that one broker answers at the same time; one from each volunteer."""
DESCRIPTOR_BYTES: Final = 64 * KIB
"""Largest signed descriptor."""
DESCRIPTOR_ENTRIES: Final = 256
"""Brokers, exits or STUN servers in one descriptor."""
INVITE_CHARS: Final = 512
"""Largest invite URL."""
WAYS: Final = 8
"""Ways to one broker, in a descriptor or an invite."""
TEXT_SEALED_BYTES: Final = 4 * KIB + 48
"""Largest sealed message that travels as text: in a URL, whose length servers and caches limit to
8 KB, or pasted by a person."""
AMP_PAGE_BYTES: Final = 160 * KIB
"""Largest page from an AMP cache: a descriptor in base64url, and what the cache adds."""

# --- the client's local port (core/localport) -----------------------------------------------------
PROXY_HEAD_BYTES: Final = 64 * KIB
"""Largest HTTP request head an application may send; browsers stop at a few cookies of 4 KiB."""

# --- dialling at the exit (io/net/dns, io/net/dial) -----------------------------------------------
DNS_LOOKUPS: Final = 512
"""Names looked up at once; more are refused."""
DNS_CACHE: Final = 4096
"""Names whose addresses are remembered."""
DNS_ADDRESSES: Final = 64
"""Addresses of one name that are looked at."""
DIAL_ADDRESSES: Final = 8
"""Addresses tried for one name; hostile answers may name hundreds of victims."""
OWN_ADDRESSES: Final = 4096
"""Addresses of which it is remembered for a moment whether they are the exit's own."""
DIAL_TIMEOUT_S: Final = 15
"""Seconds to resolve a name and connect: three SYN retransmissions, less than a browser waits."""

# --- session (core/tunnel/session, reassembly, estimator) -----------------------------------------
SESSION_WINDOW_BYTES: Final = 8 * MIB
"""Bytes beyond the in-order offset a receiver holds: 200 Mbit/s at 300 ms, with room to reorder."""
PENDING_SEGMENTS: Final = 16 * KIB
"""Out-of-order segments held; bounds the bookkeeping of a peer that sends tiny ones."""
LINKS_PER_SESSION: Final = 16
"""Live links one session may hold, counting those that drain."""
LINK_WINDOW_FLOOR_BYTES: Final = 8 * KIB
"""Smallest link window: keeps a slow link measurable without queueing much in front of it."""
LINK_WINDOW_CAP_BYTES: Final = 4 * MIB
"""Largest link window, and so the most a relay has to hold for one link and direction."""
UNSENT_MOST_BYTES: Final = MIB
"""Bytes waiting for links, HTTP/2's own answers included; a far side that makes them grow and
takes none ends its session."""
UNSENT_BYTES: Final = 4 * LINK_MESSAGE_BYTES
"""Bytes cut from streams ahead of the links: little, so that a quiet stream is not queued
behind a busy one."""
LINK_OUTBOX_FRAMES: Final = 64
"""PONGs waiting for one link; a flood of PINGs beyond is not answered."""

# --- servers (io/server/web) ----------------------------------------------------------------------
HTTP_BODY_BYTES: Final = 64 * KIB
"""Largest HTTP request body a handler may read whole."""
HTTP_FIELD_BYTES: Final = 8 * KIB
"""Longest request line, and longest header field."""
HTTP_HEADERS: Final = 64
"""Header fields of one request."""
HTTP_CONNECTIONS: Final = 19_000
"""Connections open at once: below the usual limit of 20,000 open files, or what the system allows
less FILES_KEPT."""
FILES_KEPT: Final = 256
"""Open files that are kept for other uses."""
HTTP_CONNECTIONS_OF_NETWORK: Final = 512
"""… of one /24 or /56: volunteers, readers and their links behind one provider's NAT."""
HTTP_BACKLOG: Final = 4096
"""Connections waiting to be accepted: volunteers all come back at once after a restart."""

# --- broker ------------------------------------------------------------------------------------
VOLUNTEERS: Final = 16_384
"""Volunteers connected to one broker process; below its 20,000 open files."""
PENDING_OFFERS: Final = 4096
"""Offers that wait for their volunteers' answers, over all requests of one broker."""
RENDEZVOUS_NONCES: Final = 262_144
"""Nonces remembered against replay: 1,000 requests a second for twice the clock skew."""
SIGNAL_BURST: Final = 64
"""Messages a volunteer may send at once."""
SIGNAL_MESSAGES_PER_S: Final = 2
"""Messages a second a volunteer may go on sending."""
SIGNAL_MESSAGES_PER_OFFER: Final = 4
"""Messages one offer entitles a volunteer to: an answer, and `ready` as its slots change."""
DISCLOSED_VOLUNTEERS: Final = 16
"""Volunteers one client network (/24 or /56) learns of in a day, without a token."""
UNSEEN_VOLUNTEERS: Final = 1024
"""… and all clients together whose address nobody tells us."""
NETWORK_REQUESTS: Final = (64, 2.0)
"""Requests of one client network: at once, and a second. Beyond, each needs a proof of work."""
NETWORK_FLOOD: Final = (256, 16.0)
"""… beyond which they are not even opened."""
TOKEN_REQUESTS: Final = (16, 0.2)
"""Requests with one token: at once, and a second."""
NETWORK_OFFERS: Final = 64
"""Offers of one client network that wait for answers at once."""
COUNTED_NETWORKS: Final = 65_536
"""Client networks and tokens whose requests are counted."""
VOLUNTEERS_OF_NETWORK: Final = 256
"""Volunteers of one /24 or /56 connected to one broker: a university, a provider's NAT."""
WAITING_OFFERS: Final = 1024
"""Offers that wait for a volunteer to come."""
WAITING_OF_NETWORK: Final = 8
"""… of one client network."""
LINKS_REPORTED: Final = 65_536
"""Links that an exit may still report on."""
FAILED_VOLUNTEERS: Final = 64
"""Volunteers remembered as having failed one client network; the latest."""
DISCLOSURE_RECORDS: Final = 32_768
"""Client networks and tokens of which is remembered what volunteers they know: 60 MB when full."""
VOLUNTEER_NEIGHBOURHOODS: Final = 65_536
"""Networks of volunteers whose reputation outlives their connections."""
WIDGET_FILE_BYTES: Final = 4 * MIB
"""Largest widget file kept in memory."""
WIDGET_FILES: Final = 256
"""Files one widget manifest may list."""
WIDGET_KEPT_FILES: Final = 1024
"""Files of earlier widgets kept and served: some 60 builds, about 10 MB."""

# --- the bus between servers (io/server/bus, broker/cluster) --------------------------------------
BUS_HANDLERS: Final = 4096
"""Messages of one subject in work at once, and messages on their way out; more are dropped."""
BUS_AVOIDED: Final = 64
"""Volunteers that another broker is asked to avoid."""
BUS_BROKERS: Final = 256
"""Brokers whose counts are kept for public display."""

# --- STUN (wire/stun, core/nat/stun_server) -------------------------------------------------------
STUN_BYTES: Final = 1280
"""Largest STUN message: what passes every path unbroken (RFC 8489 §6.1)."""
STUN_UNKNOWN: Final = 4
"""Unknown attributes that an error names; more would make it longer than its request."""
STUN_WINDOW_S: Final = 10
"""Seconds over which requests are counted."""
STUN_REQUESTS: Final = 500
"""Requests of one prefix answered in that time: four for each of a dozen people a second."""
STUN_PREFIXES: Final = 65_536
"""Prefixes counted at once."""

# --- streams (core/tunnel/streams) ----------------------------------------------------------------
STREAMS_PER_SESSION: Final = 256
"""Open streams in one session, each way."""
STREAM_WINDOW_BYTES: Final = 256 * KIB
"""Bytes a stream may hold for an application that does not read, at first."""
STREAM_WINDOW_CAP_BYTES: Final = 4 * MIB
"""… and once the application has shown that it keeps up: 100 Mbit/s at 300 ms."""
STREAM_GROWTH_BYTES: Final = 64 * MIB
"""Growth beyond the first windows, all streams of a session together."""
CONNECTION_WINDOW_BYTES: Final = 16 * MIB
"""At the exit, unread upload bytes of one session."""
STREAM_HEADER_BYTES: Final = 4 * KIB
"""Size of a CONNECT request's or answer's headers (RFC 9113 §6.5.2)."""

# --- datagrams (wire/capsule, io/tunnel/flow, client and exit/datagrams) --------------------------
DATAGRAM_BYTES: Final = 65_527
"""Longest UDP payload: 65,535 less UDP's own header (RFC 9298 §5)."""
FLOWS_PER_SESSION: Final = 128
"""UDP flows among the streams of one session; half of them stay for TCP."""
FLOW_QUEUE_S: Final = 0.25
"""Seconds the oldest datagram of a flow's queue may have waited for the session; while it has
waited longer, new ones are dropped. A time, not a size: it is as short on a slow way, and lets
QUIC fill a long one."""
FLOW_QUEUE_BYTES: Final = 256 * KIB
"""… and the queue's size at most."""
FLOW_WAITING_BYTES: Final = 64 * KIB
"""Datagrams of one destination that wait for its flow to be opened."""
ASSOCIATION_FLOWS: Final = 64
"""Destinations of one application's UDP association."""
CLIENT_ASSOCIATIONS: Final = 32
"""UDP associations of applications at once."""
EXIT_FLOWS: Final = 8192
"""UDP flows, and so sockets, at one exit process."""
FLOW_BATCH: Final = 16
"""Datagrams read from one socket before it is another's turn."""

# --- shells (io/) ---------------------------------------------------------------------------------
CHANNEL_CHUNKS: Final = 8192
"""SCTP chunks a volunteer may leave incomplete or out of order on one DataChannel: a receive
window of full packets, and as much again for small ones."""
TRANSPORT_QUEUE_BYTES: Final = LINK_WINDOW_CAP_BYTES + MIB
"""Messages a transport holds before they leave; the link's window keeps below it."""
STREAM_SEND_BYTES: Final = 128 * KIB
"""Bytes of one stream waiting for the session; its socket is not read beyond that."""
STREAM_CHUNK_BYTES: Final = LINK_MESSAGE_BYTES
"""Most bytes one stream sends before it is another's turn."""
SOCKET_READ_BYTES: Final = 64 * KIB
"""Most bytes read from an application's or a site's socket at once."""

# --- exit ---------------------------------------------------------------------------------------
EXIT_LINKS: Final = 8192
"""Links open at once at one exit process."""
EXIT_SESSIONS: Final = 4096
"""Sessions alive at once, those without links included."""
EXIT_ACCOUNTS: Final = 65_536
"""Client tickets remembered with what they have used."""
EXIT_ACCOUNTS_SWEPT: Final = 8
"""Old accounts looked at whenever one is added."""
EXIT_REFUSALS_BURST: Final = 2000
"""Streams beyond its quota that a session may ask for at once; more ends it."""
EXIT_REFUSALS_PER_S: Final = 20
"""… and a second."""
STREAM_CONTROL_BURST: Final = 4096
"""HTTP/2 frames that move nothing (SETTINGS, PING, RST_STREAM, tiny WINDOW_UPDATEs, empty DATA) a
far side may send at once: a browser that resets every stream it has, several times over."""
STREAM_CONTROL_PER_S: Final = 512
"""… and a second; more ends the session."""
STREAM_UPDATE_LEAST_BYTES: Final = KIB
"""A smaller WINDOW_UPDATE counts as one that moves nothing."""
SITE_WRITE_BYTES: Final = 256 * KIB
"""Bytes of one stream that wait for its site to read; then the client is stopped."""
CONFIG_FILE_BYTES: Final = MIB
"""Largest configuration file."""
FACE_FILES: Final = 4096
"""Files in an exit's face."""
FACE_PAGE_BYTES: Final = 256 * KIB
"""Largest page for what is not there: it is kept in memory."""
LINK_TICKET_LIFE_S: Final = 600
"""Longest life of a link ticket that an exit accepts."""
LINK_TICKETS_USED: Final = 262_144
"""Used link tickets remembered against a second use."""

# --- client -------------------------------------------------------------------------------------
CLIENT_CONNECTIONS: Final = 512
"""Applications' connections to the local port at once."""
RANKED_WAYS: Final = 64
"""Ways to brokers that are tried and remembered; a descriptor may list more."""

# --- media links (core/media, io/webrtc/video) ----------------------------------------------------
MEDIA_PACKETS: Final = 8192
"""RTP packets missing, or waiting for a missing one: a link's window, and as many small ones."""
MEDIA_FRAME_BYTES: Final = 256 * KIB
"""Largest video frame: far beyond what a relay puts into one."""
MEDIA_HELD_BYTES: Final = LINK_WINDOW_CAP_BYTES + MIB
"""Link messages that wait for one before them."""
MEDIA_MESSAGES: Final = 8192
"""… and how many: small ones too fit in a window."""
MEDIA_MESSAGES_AHEAD: Final = 65_536
"""How far ahead of the next message a number may be."""
MESSAGE_NUMBERS: Final = 1 << 32
"""Numbers of messages, modulo which they travel."""
RESEND_GAPS: Final = 16
"""Gaps named in one request to a relay."""
