"""Named bounds on what a peer of the servers can grow: brokers, their bus, and STUN.

They are kept beside those of `limits`, by the same rules: the end of a name is its unit, and each
docstring says what is bounded, and why there.
"""

from __future__ import annotations

from typing import Final

from passerelle.limits import KIB, MIB

# --- servers (io/server/web) ----------------------------------------------------------------------
HTTP_BODY_BYTES: Final = 64 * KIB
"""Longest HTTP request body that a handler reads whole: eight times a sealed message."""
HTTP_FIELD_BYTES: Final = 8 * KIB
"""Longest request line and header field: an AMP request's URL has 6 KB."""
HTTP_HEADERS: Final = 64
"""Header fields of one request: browsers and proxies send far fewer."""
HTTP_CONNECTIONS: Final = 19_000
"""Connections open at once: a process may usually open 20,000 files."""
FILES_KEPT: Final = 256
"""Open files kept for other uses: connections may take the rest that the system allows."""
HTTP_CONNECTIONS_OF_NETWORK: Final = 512
"""Connections of one /24 or /56: volunteers, readers and links behind one provider's NAT. Wider
networks have as many for each of their shares."""
HTTP_BACKLOG: Final = 4096
"""Connections that wait to be accepted: all volunteers come back at once after a restart."""

# --- broker ------------------------------------------------------------------------------------
VOLUNTEERS: Final = 16_384
"""Volunteers connected to one broker process: each holds one of its 20,000 open files."""
PENDING_OFFERS: Final = 4096
"""Offers that wait for volunteers' answers at one broker: it arranges a thousand a second."""
RENDEZVOUS_NONCES: Final = 131_072
"""Nonces remembered against replay: 1,000 requests a second for the clock skew. They take 90 MiB if
each is of an IPv6 network of its own."""
SIGNAL_BURST: Final = 64
"""Messages a volunteer may send at once: answers and changes of an ordinary one are far fewer."""
SIGNAL_MESSAGES_PER_S: Final = 2
"""Messages a second that a volunteer may go on sending: a busy one stays below."""
SIGNAL_MESSAGES_PER_OFFER: Final = 4
"""Messages one offer entitles a volunteer to: an answer, and `ready` as its slots change."""
DISCLOSED_VOLUNTEERS: Final = 16
"""Volunteers that a client network (/24, /56) without a token learns of in a day: a censor asks."""
NETWORK_REQUESTS: Final = (64, 2.0)
"""Requests of one client network, at once and a second: beyond, each needs a proof of work."""
NETWORK_FLOOD: Final = (256, 16.0)
"""Requests of one client network, at once and a second: beyond, none is even opened."""
TOKEN_REQUESTS: Final = (16, 0.2)
"""Requests with one token, at once and a second: they need no proof of work."""
NETWORK_OFFERS: Final = 64
"""Offers of one client network that wait for answers at once: one network must not take all."""
COUNTED_NETWORKS: Final = 65_536
"""Client networks and tokens whose requests are counted: those that asked last."""
VOLUNTEERS_OF_NETWORK: Final = 256
"""Volunteers of one /24 or /56 at one broker: a university, or a provider's NAT."""
WAITING_OFFERS: Final = 1024
"""Offers that wait for a volunteer to come: each holds a request open for two seconds."""
WAITING_OF_NETWORK: Final = 8
"""Offers of one client network that wait for a volunteer to come: two requests."""
DEMAND_READERS: Final = 256
"""Readers that wait, counted in one period for the word that volunteers are told: with four times
as many as `many` needs, the noise cannot make less of it."""
LINKS_REPORTED: Final = 65_536
"""Links that exits may still report on: those that were arranged last."""
LANES_REPORTED: Final = 32_768
"""Lanes whose bytes may still be reported: those that were allowed last. Most are never opened."""
FAILED_VOLUNTEERS: Final = 64
"""Volunteers remembered as having failed one client network: the latest of them."""
LAST_RESORT_REST_S: Final = 5.0
"""Shortest rest of a volunteer that failed a client network for which there is nobody else. A page
in the background is slow for so long; each further failure doubles the rest."""
LAST_RESORT_LONGEST_REST_S: Final = 300.0
"""Longest such rest: a volunteer that cannot be reached is asked in vain 12 times an hour, and a
reader that has no other waits no longer than this once it can be reached."""
DISCLOSURE_RECORDS: Final = 32_768
"""Client networks and tokens whose volunteers are remembered: 70 MB when all of them are full.
Beyond, whoever has most for its shares loses one."""
VOLUNTEER_NEIGHBOURHOODS: Final = 65_536
"""Networks of volunteers whose reputation outlives their connections: those heard of last."""
WIDGET_FILE_BYTES: Final = 4 * MIB
"""Longest widget file: all files of the widget are kept in memory."""
WIDGET_FILES: Final = 256
"""Files that one widget manifest lists: a build has about twenty."""
WIDGET_KEPT_FILES: Final = 1024
"""Files of earlier widgets that are kept and served: some 60 builds, about 10 MB."""
EXTENSION_LINK_CHARS: Final = 512
"""Longest link to the network's browser extension: a store's are below 200."""
EXTENSIONS_BYTES: Final = 4 * KIB
"""Longest list of such links that a broker tells: two, with the escapes of JSON."""
PLACES_BYTES: Final = 64 * MIB
"""Size of the country database that comes with the program, unpacked: eight times today's."""

# --- counts for publishers and everybody (broker/audience) ----------------------------------------
PUBLISHERS: Final = 256
"""Publishers with a token: each has counts of its own, some 50 KB when all of them are full."""
PUBLISHER_PAGES: Final = 16
"""Origins of one publisher's pages: editions, and the site with and without `www`."""
PAGE_ORIGIN_CHARS: Final = 270
"""Longest origin of a page: a host name has 253 characters."""
COUNTED_HOURS: Final = 168
"""Hours for which counts are kept: a week, so that weekdays can be compared."""
COUNTED_COUNTRIES: Final = 300
"""Countries that are counted in a day: there are 250 codes."""
COUNTS_FILE_BYTES: Final = 16 * MIB
"""Longest file of counts that is read: those of all publishers take 13 MB when they are full."""
NEWSROOM_TRIES: Final = (10, 1 / 60)
"""Wrong tokens of one network, at once and a second: a person who pastes half of one tries again,
and nobody guesses 192 bits."""
NEWSROOM_NETWORKS: Final = 4096
"""Networks whose wrong tokens are counted: those that tried last."""
NEWSROOM_FORM_BYTES: Final = 1024
"""Longest form with a token: a token has 57 characters."""
COUNTS_ANSWER_S: Final = 1.0
"""How long a page of figures waits for other brokers: one that hangs must not hold it up."""

# --- tests of volunteers' rates (exit/ratetests) --------------------------------------------------
RATE_TESTS: Final = 8
"""Tests at one exit process at once: each may take the whole line for a moment."""
RATE_TESTS_RATE: Final = (16.0, 0.5)
"""Tests of all volunteers, at once and a second: they take 8 Mbit/s each way at most."""
RATE_TESTS_OF_NETWORK: Final = (4.0, 1 / 60)
"""Tests of one /24 or /56, at once and a second: a page asks once in twelve hours."""
RATE_TEST_NETWORKS: Final = 4096
"""Networks whose tests are counted: those that asked last."""
RATE_TEST_S: Final = 8.0
"""Longest time of one test: a volunteer gives up after 5 s, and what it sent may still arrive."""
RATE_TEST_BUSY_SHARE: Final = 0.75
"""Share of an exit's links from which on it tests nobody."""

# --- the bus between servers (io/server/bus, broker/cluster) --------------------------------------
BUS_HANDLERS: Final = 4096
"""Messages of one subject in work at once, and messages on their way out: more are dropped."""
BUS_MESSAGE_BYTES: Final = 8 * KIB
"""Longest message that is looked at: the longest of ours has 4 KB, and NATS itself carries 1 MB."""
BUS_WAITING_BYTES: Final = 4 * MIB
"""Messages of one subscription that wait to be looked at: a thousand of ours wait in 1 MB."""
BUS_AVOIDED: Final = 64
"""Volunteers that another broker is asked to avoid: twice what one request can name."""
BUS_BROKERS: Final = 256
"""Brokers whose counts are kept for public display: as many as a descriptor may name."""
BUS_FAMILIES: Final = 1024
"""Families for whose readers a broker listens: each is a subscription, and each volunteer may have
another family."""
BUS_COUNT: Final = 1 << 20
"""Sessions, links or volunteers that one server may claim: 64 times what a process holds."""
BUS_LINK_BYTES: Final = 1 << 50
"""Bytes, or bytes a second, that an exit may claim for one link: a petabyte is an invented one."""
BUS_LINK_S: Final = 366 * 86_400
"""Duration that an exit may claim for one link: no process runs for longer than a year."""
BUS_PLACE_S: Final = 60
"""Longest time that another broker may take to place an offer: each holds a slot meanwhile."""
BUS_CLOCK_SKEW_S: Final = 30
"""Difference between the clocks of two servers: a message older than that counts as repeated."""
BUS_NONCES: Final = 262_144
"""Messages of brokers remembered against a repetition: 4,000 a second for twice the clock skew."""
BUS_COMPLAINTS: Final = (64, 1.0)
"""Complaints of one broker's readers that others count, at once and a second: one volunteer in a
thousand fails so often, and a broker that invents them moves nobody far."""
BUS_FAULT_PAUSE_S: Final = 10.0
"""Time between two log lines about one kind of fault on the bus: who can send one sends many."""

# --- STUN (wire/stun, core/nat/stun_server) -------------------------------------------------------
STUN_BYTES: Final = 1280
"""Longest STUN message: every path carries that much unbroken (RFC 8489 §6.1)."""
STUN_UNKNOWN: Final = 4
"""Unknown attributes that an error names: more would make it longer than its request."""
STUN_WINDOW_S: Final = 10
"""Time over which a prefix's requests are counted: it is answered again soon after a flood."""
STUN_REQUESTS: Final = 500
"""Requests of one /24 or /48 answered in STUN_WINDOW_S: a dozen people, four a second each."""
STUN_OWN_REQUESTS: Final = 64
"""Requests of one IPv4 address or /56 answered beyond those: forging 500 a second from all 256
parts of a network uses up a third of each part's. What a network can be sent stays below 1,700
answers a second, and takes as many requests."""
STUN_BATCH: Final = 64
"""Datagrams read from one socket before another has its turn."""
STUN_PREFIXES: Final = 65_536
"""Prefixes counted at once: sources can be forged, and must not fill the memory."""
