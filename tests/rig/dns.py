"""A DNS server for tests, whose answers may differ from question to question."""

from __future__ import annotations

import argparse
import socket
from collections import Counter
from collections.abc import Mapping, Sequence

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class Zone:
    """The records of a server: for each name, a list of answers in turn, the last one for ever.

    An answer is a list of addresses, or None for silence. A name that is not listed does not exist.
    """

    def __init__(self, names: Mapping[str, Sequence[Sequence[str] | None]], ttl_s: int = 0) -> None:
        self._names = names
        self._ttl_s = ttl_s
        self.asked: Counter[tuple[str, str]] = Counter()
        """The number of questions so far, by name and type."""

    def answer(self, packet: bytes) -> bytes | None:
        """Return the answer to one question, or None for silence."""
        query = dns.message.from_wire(packet)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        number = self.asked[name, kind]
        self.asked[name, kind] += 1
        response = dns.message.make_response(query, recursion_available=True)
        answers = self._names.get(name)
        if answers is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
            return response.to_wire()
        addresses = answers[min(number, len(answers) - 1)]
        if addresses is None:
            return None
        fitting = [each for each in addresses if (":" in each) == (kind == "AAAA")]
        if fitting and kind in {"A", "AAAA"}:
            response.answer.append(
                dns.rrset.from_text_list(question.name, self._ttl_s, "IN", kind, fitting)
            )
        return response.to_wire()


def serve(address: str, zone: Zone) -> None:
    """Answer on UDP port 53 for ever."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.bind((address, 53))
        print("ready", flush=True)
        while True:
            packet, peer = server.recvfrom(4096)
            answer = zone.answer(packet)
            if answer is not None:
                server.sendto(answer, peer)


def main() -> None:
    """Serve names given as `name=address,address;address` (answers in turn)."""
    parser = argparse.ArgumentParser(prog="python -m tests.rig.dns")
    parser.add_argument("address")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    names = {}
    for text in options.names:
        name, _, answers = text.partition("=")
        names[name] = [answer.split(",") for answer in answers.split(";")]
    serve(options.address, Zone(names))


if __name__ == "__main__":
    main()
