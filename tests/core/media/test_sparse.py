from __future__ import annotations

from passerelle.core.media.sparse import Sparse


def test_somebody_who_types_sends_few_messages_and_a_fast_stream_sends_many() -> None:
    sparse = Sparse(0.0)
    assert all(sparse.add(turn * 0.07) for turn in range(140))
    answers = [sparse.add(10 + turn * 0.005) for turn in range(200)]
    assert all(answers[:8])
    assert not any(answers[12:])
    assert (sparse.add(11.2), sparse.add(11.8)) == (False, True)
