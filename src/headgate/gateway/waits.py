"""How long a stream keeps its caller waiting: for its first token, and between two."""

from __future__ import annotations

from headgate.gateway.meter import Tokens


class Waits:
    """The waits of one stream, as of perf_counter. A piece is a token: that is when the caller sees more."""

    __slots__ = ("_first", "_gap", "_last")

    def __init__(self) -> None:
        self._first = self._last = self._gap = 0.0

    def came(self, pieces: list[bytes], now: float) -> None:
        """Pieces of the stream arrived; comments that only keep it open are no news."""
        if pieces[0][:1] == b":" and _only_comments(pieces):
            return
        if not self._last:
            self._first = now
        elif now - self._last > self._gap:
            self._gap = now - self._last
        self._last = now

    def resumed(self, now: float) -> None:
        """The client was slow; the wait until now was not the version's."""
        if self._last:
            self._last = now

    def until(self, started: float, now: float) -> Tokens:
        """In ms; the wait for an end that does not come is one, too."""
        if not self._last:
            return Tokens(None, None)
        return Tokens((self._first - started) * 1000, max(self._gap, now - self._last) * 1000)


def _only_comments(pieces: list[bytes]) -> bool:
    """Whether whole pieces hold nothing but comments (`: ping`) and empty lines."""
    return all(not line or line.startswith(b":") for piece in pieces for line in piece.splitlines())
