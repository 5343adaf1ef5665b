"""The waits of a stream: first token, longest gap, and what is no token."""

import pytest

from headgate.gateway.waits import Waits


def waits(*events, started=100.0, until=109.0):
    """(time, bytes, or None where the client was slow) in order."""
    made = Waits()
    for at, piece in events:
        if piece is None:
            made.resumed(at)
        else:
            made.came([piece], at)
    return made.until(started, until)


@pytest.mark.parametrize(
    ("events", "first", "gap"),
    [
        (((101, b"data: a\n\n"), (103, b"data: b\n\n"), (108.5, b"data: c\n\n")), 1000, 5500),
        (((101, b"data: a\n\n"),), 1000, 8000),  # nothing follows until its end
        (((101, b": ping\n\n"), (105, b"data: a\n\n"), (107, b": ping\n\n"), (109, b"data: b\n\n")), 5000, 4000),
        (((101, b": ping\n\ndata: a\n\n"), (109, b"data: b\n\n")), 1000, 8000),
        (((101, b"data: a\n\n"), (107, None), (108, b"data: b\n\n"), (109, b"data: c\n\n")), 1000, 1000),
        (((101, b": ping\n\n"), (104, None)), None, None),
    ],
)
def test_waits(events, first, gap):
    """In ms from the start; comments are no news, and a slow client is not the version's fault."""
    assert waits(*events) == (first, gap)
