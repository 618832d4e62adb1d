"""Vectors of what is sealed: binary HTTP, Oblivious HTTP, the frames of a gateway's link, and a
broker's replies.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from passerelle import limits
from passerelle.errors import PeerError
from passerelle.wire import binaryhttp, gatewayframes, oblivious
from passerelle.wire.binaryhttp import Content, Decoder, Head, Request, Trailers
from passerelle.wire.capsule import encode_integer
from passerelle.wire.description import Candidate, CandidateKind, Description, Setup
from passerelle.wire.gatewayframes import FrameType, Reset
from passerelle.wire.oblivious import KeyConfiguration
from passerelle.wire.rendezvous import Answer, Miss, Refusal, RendezvousReply

Json = dict[str, object]

RFC9180_A1: Final[Json] = {
    "info": "4f6465206f6e2061204772656369616e2055726e",
    "recipient": "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8",
    "recipient_public": "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d",
    "ephemeral": "52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736",
    "enc": "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431",
    "plaintext": "4265617574792069732074727574682c20747275746820626561757479",
    "sealed": {
        "436f756e742d30": "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a9"
        "6d8770ac83d07bea87e13c512a",
        "436f756e742d31": "af2d7e9ac9ae7e270f46ba1f975be53c09f8d875bdc8535458c2494e8a6eab25"
        "1c03d0c22a56b8ca42c2063b84",
    },
    "exported": {
        "": "3853fe2b4035195a573ffc53856e77058e15d9ea064de3e59f4961d0095250ee",
        "00": "2e8f0b54673c7029649d4eb9d5e33bf1872cf76d623ff164ac185da9e88c21a5",
        "54657374436f6e74657874": (
            "e9e43065102c3836401bed8c3c3c75ae46be1639869391d62c61f1ec7af54931"
        ),
    },
}
"""RFC 9180, appendix A.1: this suite in base mode. `sealed` has associated data in front."""

RFC9458_A: Final[Json] = {
    "key": "3c168975674b2fa8e465970b79c8dcf09f1c741626480bd4c6162fc5b6a98e1a",
    "public": "31e1f05a740102115220e9af918f738674aec95f54db6e04eb705aae8e798155",
    "ephemeral": "bc51d5e930bda26589890ac7032f70ad12e4ecb37abb1b65b1256c9c48999c73",
    "request": "00034745540568747470730b6578616d706c652e636f6d012f",
    "sealed_request": "010020000100014b28f881333e7c164ffc499ad9796f877f4e1051ee6d31bad19dec"
    "96c208b4726374e469135906992e1268c594d2a10c695d858c40a026e7965e7d86b83dd440b2c0185204b4d63525",
    "secret": "62d87a6ba569ee81014c2641f52bea36",
    "nonce": "c789e7151fcba46158ca84b04464910d",
    "answer_key": "5d0172a080e428b16d298c4ea0db620d",
    "answer_nonce": "f6bf1aeb88d6df87007fa263",
    "answer": "0140c8",
    "sealed_answer": "c789e7151fcba46158ca84b04464910d86f9013e404feea014e7be4a441f234f857fbd",
}
"""RFC 9458, appendix A: one message, not in chunks. Only the labels differ from ours."""

RFC9292_REQUEST: Final = (
    "0003474554056874747073000a2f68656c6c6f2e747874406c0a757365722d6167656e74346375726c2f372e3136"
    "2e33206c69626375726c2f372e31362e33204f70656e53534c2f302e392e376c207a6c69622f312e322e3304686f"
    "73740f7777772e6578616d706c652e636f6d0f6163636570742d6c616e677561676506656e2c206d690000"
)
"""RFC 9292, section 5.1."""

GATEWAY = X25519PrivateKey.from_private_bytes(bytes(range(40, 72)))
EPHEMERAL = X25519PrivateKey.from_private_bytes(bytes(range(80, 112)))
NONCE = bytes(range(16))
KEY_ID = 200

_GET = Request("GET", "https", "news.example", "/2026/story?x=1", ((b"accept", b"text/html"),))
_POST = Request("POST", "https", "news.example:8443", "/", ((b"a", b""), (b"b", b"c d")), b"n" * 70)


def make_binary_http() -> Json:
    """Give messages with what Python reads in them, or why it refuses them."""
    get, post = binaryhttp.encode_request(_GET), binaryhttp.encode_request(_POST)
    any_length = b"\x02" + _control() + _line(b"a", b"b") + b"\x00" + b"\x02hi\x01!\x00\x00"
    requests = [
        bytes.fromhex(RFC9292_REQUEST),
        bytes.fromhex(str(RFC9458_A["request"])),
        get,
        post,
        binaryhttp.pad(get),
        binaryhttp.pad(post, 64),
        get + bytes(900),
        any_length,
        any_length + bytes(9),
        any_length[:-1],
        b"\x02" + _control(),
        b"\x00" + _control() + b"\x00\x00" + b"\x04" + _line(b"t", b"u"),
        # What follows is refused.
        b"",
        b"\x00",
        b"\x01\x40\xc8",
        b"\x04",
        b"\xc0" + bytes(7),
        get[:-3],
        get + b"\x01",
        get + bytes(5) + b"\x00\x01",
        any_length[:-2],
        any_length[:-4],
        b"\x02" + _control() + _line(b"a", b"b"),
        b"\x00" + _control() + b"\x03" + _line(b"t", b"u"),
        b"\x00" + _control() + b"\x05" + _line(b"t", b"u") + b"\x00",
        b"\x00" + _control() + b"\x02\x00\x00",
        b"\x00" + _control(method=b"GE T"),
        b"\x00" + _control(method=b""),
        b"\x00" + _control(scheme=b"HTTPS"),
        b"\x00" + _control(authority=b"a b"),
        b"\x00" + _control(path=b"story"),
        b"\x00" + _control(path=b"/\r\nhost: a"),
        b"\x00" + _control(path="/é".encode()),
        b"\x00" + _control(path=b""),
        *(
            b"\x02" + _control() + _line(name, value) + b"\x00\x00\x00"
            for name, value in (
                (b"A", b"b"),
                (b":path", b"/"),
                (b"a b", b""),
                (b"a", b" b"),
                (b"a", b"b\t"),
                (b"a", b"b\r\nc: d"),
                (b"a", b"\x00"),
                (b"a", b"\x7f"),
            )
        ),
        b"\x02" + _control() + _line(b"a", b"b") * 129 + b"\x00\x00\x00",
        b"\x00" + _control() + encode_integer(2**40),
        b"\x00" + encode_integer(2**61),
    ]
    head = binaryhttp.encode_head(200, [(b"content-type", b"text/html"), (b"x", "é".encode())])
    piece = binaryhttp.encode_content
    answers = [
        bytes.fromhex(str(RFC9458_A["answer"])),
        head + piece(b"one") + piece(b"two" * 50) + binaryhttp.END,
        head + binaryhttp.END + bytes(300),
        binaryhttp.encode_head(304, []),
        b"\x03\x40\x64\x00\x40\x67" + _line(b"link", b"</a>") + b"\x00" + head[1:] + b"\0\0",
        head + piece(b"x") + b"\x00" + _line(b"digest", b"1") + b"\x00",
        b"\x01\x40\xc8\x00\x03abc",
        b"\x00\x40\xc8",
        b"\x03\x40\x64\x00",
        b"\x01\x40\x64",
        b"\x03\x40\x63\x00",
        b"\x03\x42\x58\x00",
        head + piece(b"x"),
        head + piece(b"xyz")[:-1],
        b"\x01\x40\xc8\x00\x03ab",
    ]  # fmt: skip
    return {
        "requests": [{"message": each.hex(), **_read(each, request=True)} for each in requests],
        "answers": [{"message": each.hex(), **_read(each, request=False)} for each in answers],
        "written": [
            {"request": _shown(request), "message": binaryhttp.encode_request(request).hex()}
            for request in (_GET, _POST)
        ],
        "padded": [[size, len(binaryhttp.pad(bytes(size)))] for size in (0, 1, 512, 513, 5000)],
    }


def make_oblivious() -> Json:
    """Give the vectors of the RFCs, and messages in chunks that Python sealed."""
    configuration = KeyConfiguration(KEY_ID, GATEWAY.public_key().public_bytes_raw())
    plaintext = binaryhttp.pad(binaryhttp.encode_request(_GET))
    sealed = oblivious.seal_request(configuration, plaintext, ephemeral=EPHEMERAL)
    opened = oblivious.open_request(sealed.message, {KEY_ID: GATEWAY})
    answers = []
    for chunks in ([b""], [b"the end"], [b"one", b"two" * 100, b"end"], [bytes(300), b""]):
        sealer = oblivious.AnswerSealer(opened, NONCE)
        message = b"".join(
            sealer.seal(chunk, final=n == len(chunks) - 1) for n, chunk in enumerate(chunks)
        )
        answers.append({"chunks": [chunk.hex() for chunk in chunks], "message": message.hex()})
    private = {"gateway": GATEWAY, "ephemeral": EPHEMERAL}
    return {
        "rfc9180": RFC9180_A1,
        "rfc9458": RFC9458_A,
        "configuration": configuration.encode().hex(),
        "refused_configurations": [
            configuration.encode()[:-1].hex(),
            configuration.encode().replace(b"\x00\x20", b"\x00\x10", 1).hex(),
            (configuration.encode()[:-1] + b"\x03").hex(),
        ],
        "key_id": KEY_ID,
        **{name: key.private_bytes_raw().hex() for name, key in private.items()},
        "plaintext": plaintext.hex(),
        "request": sealed.message.hex(),
        "enc": sealed.enc.hex(),
        "secret": sealed.secret.hex(),
        "answers": answers,
    }


def make_gateway_frames() -> Json:
    """Give frames with what Python reads in them, or why it refuses them."""
    frames = [
        gatewayframes.encode(1, FrameType.REQUEST, b"abc"),
        gatewayframes.encode(1, FrameType.REQUEST_END),
        gatewayframes.encode(7, FrameType.ANSWER_END, b"z"),
        gatewayframes.encode_credit(0, 1),
        gatewayframes.encode_credit(5, 2**32 - 1),
        *(gatewayframes.encode_reset(9, code) for code in Reset),
        gatewayframes.encode_ping(1),
        gatewayframes.encode_pong(2**32 - 1),
        b"\x00\x00\x00\x09\x06\xff",
        b"\x00\x00\x00\x00\xff anything",
        # What follows is refused.
        b"",
        b"\x00\x00\x00\x01",
        gatewayframes.encode(0, FrameType.REQUEST, b"abc"),
        gatewayframes.encode_reset(0, Reset.CANCELLED),
        gatewayframes.encode_credit(5, 0),
        gatewayframes.encode_credit(5, 1)[:-1],
        gatewayframes.encode_credit(5, 1) + b"\x00",
        b"\x00\x00\x00\x01" + gatewayframes.encode_ping(1)[4:],
        gatewayframes.encode_pong(1)[:-1],
        b"\x00\x00\x00\x09\x06",
        b"\x00\x00\x00\x09\x06\x01\x01",
        gatewayframes.encode(1, FrameType.ANSWER, bytes(16_380)),
    ]
    names = (
        "MESSAGE_FIELDS MESSAGE_FIELDS_BYTES MESSAGE_LINE_BYTES SEALED_CHUNK_BYTES "
        "GATEWAY_REQUEST_BYTES GATEWAY_REQUESTS GATEWAY_CREDIT_BYTES GATEWAY_CREDIT_MOST_BYTES"
    )
    return {
        "limits": {name: getattr(limits, name) for name in names.split()},
        "frames": [{"message": each.hex(), **_framed(each)} for each in frames],
    }


def _control(
    method: bytes = b"GET",
    scheme: bytes = b"https",
    authority: bytes = b"a.example",
    path: bytes = b"/",
) -> bytes:
    return b"".join(encode_integer(len(part)) + part for part in (method, scheme, authority, path))


def _line(name: bytes, value: bytes) -> bytes:
    return encode_integer(len(name)) + name + encode_integer(len(value)) + value


def _read(message: bytes, *, request: bool) -> Json:
    decoder = Decoder(request=request)
    try:
        events = decoder.receive(message) + decoder.end()
    except PeerError as error:
        return {"refused": error.code.name.lower()}
    head, *content, trailers = events
    body = b"".join(part.data for part in content if isinstance(part, Content))
    assert isinstance(trailers, Trailers)
    shared: Json = {"content": body.hex(), "trailers": _listed(trailers.fields)}
    if isinstance(head, Request):
        return {"read": {**_shown(head), **shared}}
    assert isinstance(head, Head)
    return {"read": {"status": head.status, "fields": _listed(head.fields), **shared}}


def _shown(request: Request) -> Json:
    return {
        "method": request.method,
        "scheme": request.scheme,
        "authority": request.authority,
        "path": request.path,
        "fields": _listed(request.fields),
        "content": request.content.hex(),
    }


def _listed(fields: binaryhttp.Fields) -> list[list[str]]:
    """Return fields as a browser has them: a character for each byte."""
    return [[name.decode("latin-1"), value.decode("latin-1")] for name, value in fields]


def _framed(message: bytes) -> Json:
    try:
        frame = gatewayframes.decode(message)
    except PeerError as error:
        return {"refused": error.code.name.lower()}
    if frame is None:
        return {"frame": None}
    shown: Json = {"id": frame.id, "kind": frame.kind.name.lower(), "bytes": len(frame.body)}
    if frame.kind is FrameType.RESET:
        return {"frame": {**shown, "code": Reset(frame.count).name.lower()}}
    return {"frame": {**shown, "count": frame.count}}


def make_rendezvous_replies() -> Json:
    """Give replies as a broker encodes them, opened, with what they say, and some to be refused."""
    description = Description(
        ufrag="volunteer",
        pwd="0" * 24,
        fingerprint=bytes(range(32)),
        setup=Setup.ACTIVE,
        candidates=(Candidate(CandidateKind.HOST, "192.0.2.7", 40_000),),
    )
    placed = Answer(description, b"handle 1", country="CA")
    unplaced = Answer(description, b"handle 2")
    replies = [
        RendezvousReply(exit="one", answers=(placed, unplaced, Miss.NO_ANSWER), ticket="ticket"),
        RendezvousReply(refusal=Refusal.BUSY, retry_after_s=2.5),
    ]
    answer = msgspec.to_builtins(placed, builtin_types=(bytes,))
    wrong: list[Any] = [
        {**answer, "country": "ca"},
        {**answer, "country": "CAN"},
        {**answer, "volunteer": b"short"},
        "no_reason",
    ]
    return {
        "read": [[_opened(reply), _said(reply)] for reply in replies],
        "refused": [_opened({"answers": [each]}) for each in wrong],
    }


def _opened(reply: object) -> str:
    body = msgspec.msgpack.encode(reply)
    return (len(body).to_bytes(2, "big") + body).ljust(1024, b"\0").hex()


def _said(reply: RendezvousReply) -> Json:
    return {
        "exit": reply.exit,
        "answers": [
            [answer.description.ufrag, answer.volunteer.hex(), answer.country]
            if isinstance(answer, Answer)
            else answer.value
            for answer in reply.answers
        ],
        "ticket": reply.ticket,
        "refusal": reply.refusal and reply.refusal.value,
        "retry_after_s": reply.retry_after_s,
        "proof_bits": reply.proof_bits,
    }
