from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from passerelle import limits
from passerelle.core.gateway.answer import AnswerWriter
from passerelle.wire import gatewayframes
from passerelle.wire.binaryhttp import Content, Decoder, Event, Head, Trailers
from passerelle.wire.gatewayframes import FrameType
from passerelle.wire.oblivious import (
    AnswerOpener,
    AnswerSealer,
    KeyConfiguration,
    open_request,
    seal_request,
)
from tests.vectors.sealed import GATEWAY, NONCE

CONFIGURATION = KeyConfiguration(1, GATEWAY.public_key().public_bytes_raw())
PADDED = (512, 1024, 2048, 4096, 8192, limits.ANSWER_CHUNK_BYTES)


def party() -> tuple[AnswerWriter, AnswerOpener]:
    """Return the two ends of one answer."""
    sealed = seal_request(CONFIGURATION, b"hello")
    opened = open_request(sealed.message, {1: GATEWAY})
    return AnswerWriter(7, AnswerSealer(opened, NONCE)), sealed.answer()


def read(frames: list[bytes], opener: AnswerOpener) -> tuple[list[int], list[Event]]:
    """Return the sizes of the chunks in frames, and what they say."""
    chunks = []
    for message in frames:
        frame = gatewayframes.decode(message)
        assert frame is not None
        assert frame.id == 7
        assert (frame.kind is FrameType.ANSWER_END) == (message is frames[-1])
        chunks += opener.receive(frame.body)
    chunks.append(opener.end())
    decoder = Decoder(request=False)
    events = [event for chunk in chunks for event in decoder.receive(chunk)] + decoder.end()
    return [len(chunk) for chunk in chunks], events


@given(st.lists(st.integers(0, 40_000), max_size=6))
def test_chunks_have_few_sizes(sizes: list[int]) -> None:
    """All chunks but the last are full, and the last has one of few sizes; nothing is lost."""
    writer, opener = party()
    frames = list(writer.head(200, ((b"a", b"b"),)))
    for size in sizes:
        frames += writer.content(b"x" * size)
    frames += writer.end()
    chunks, events = read(frames, opener)
    assert set(chunks[:-1]) <= {limits.ANSWER_CHUNK_BYTES, limits.ANSWER_CHUNK_BYTES - 1}
    assert chunks[-1] in PADDED
    head, *content, trailers = events
    assert head == Head(200, ((b"a", b"b"),))
    assert sum(len(each.data) for each in content if isinstance(each, Content)) == sum(sizes)
    assert trailers == Trailers(())


def test_what_waits_is_sent_when_the_site_pauses() -> None:
    """The beginning of a slow page does not wait for a full chunk."""
    writer, opener = party()
    frames = list(writer.head(200, ()))
    assert frames == []
    frames += writer.content(b"begin")
    frames += writer.flush()
    assert len(frames) == 1
    assert list(writer.flush()) == []
    _, events = read([*frames, *writer.end()], opener)
    assert events == [Head(200, ()), Content(b"begin"), Trailers(())]


def test_every_frame_is_a_link_message() -> None:
    """The first frame, which has the nonce too, is no longer than a volunteer copies."""
    writer, _ = party()
    frames = [*writer.content(bytes(100_000)), *writer.end()]
    assert len(frames) == 7
    assert max(len(frame) for frame in frames) <= limits.LINK_MESSAGE_BYTES


@given(st.lists(st.integers(0, 40_000), max_size=6), st.booleans())
def test_empty_chunks_and_trailers_alter_nothing(sizes: list[int], is_cut: bool) -> None:
    """A site may be silent at any place, and its content be cut off at any."""
    writer, opener = party()
    trailers = ((b"proxy-status", b"x"),) if is_cut else ()
    frames = [*writer.silence(), *writer.head(200, ()), *writer.silence()]
    for size in sizes:
        frames += [*writer.content(b"x" * size), *writer.silence(), *writer.silence()]
    frames += writer.end(trailers)
    chunks, events = read(frames, opener)
    assert chunks[0] == 0
    assert chunks[-1] in PADDED
    content = [each.data for each in events if isinstance(each, Content)]
    assert sum(map(len, content)) == sum(sizes)
    assert events[-1] == Trailers(trailers)
