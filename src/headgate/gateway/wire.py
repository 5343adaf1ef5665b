"""HTTP/1.1 at byte level: strict heads and chunk framing, with the head passed on as slices and no header objects.

A gateway that reads a message differently from the agent behind it lets a client smuggle requests, so whatever could
be read in two ways is refused (RFC 9112 section 6.3 and 11.2): Content-Length together with Transfer-Encoding, either
of them twice, obs-fold, a bare CR or LF, NUL and other control characters, a space before the colon, chunk extensions
and trailers of a request.
"""

from __future__ import annotations

import re

HEAD_LIMIT = 64 * 1024  # bytes of one head, request or response
BODY_LIMIT = 100_000_000  # bytes of one request body, as AgentCore
SESSION = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_LINES = re.compile(rb"(?:" + _TOKEN + rb"++:[^\x00-\x08\x0a-\x1f\x7f]*+\r\n)*+\r\n")
_REQUEST = re.compile(
    rb"(GET|POST|PUT|HEAD|DELETE|OPTIONS|PATCH) (/[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]*) HTTP/1\.([01])\r\n"
)
_RESPONSE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [^\x00-\x08\x0a-\x1f\x7f]*)?\r\n")


def _finder(names: bytes) -> re.Pattern[bytes]:
    """Finds the named headers in a lowered head; group 1 is the name, group 2 the value with blanks after it."""
    return re.compile(rb"\r\n(" + names + rb"):[ \t]*([^\r\n]*+)")


_HOP = rb"connection|keep-alive|proxy-connection|proxy-authenticate|proxy-authorization|te|trailer|upgrade"
_REQUEST_NAMES = _finder(
    rb"host|content-length|transfer-encoding|expect|accept-encoding|authorization|x-amz-security-token|baggage|"
    + _HOP
    + rb"|"
    + SESSION.lower().encode()
)
_RESPONSE_NAMES = _finder(
    rb"content-length|transfer-encoding|content-type|content-encoding|x-headgate-version|x-headgate-variant|"
    + _HOP
    + rb"|"
    + SESSION.lower().encode()
)
_ONCE = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect", SESSION.lower().encode()})
_KEPT = frozenset({b"content-length", b"content-type", b"content-encoding"})
_DIGITS = re.compile(rb"[0-9]{1,18}")


class BadMessage(Exception):
    """The peer sent what this gateway refuses to interpret; `status` is the HTTP answer to it."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class Request:
    """What the gateway needs of a request head. `rest` are the header lines that are passed on, each with its CRLF."""

    __slots__ = ("baggage", "chunked", "expect", "keep_alive", "length", "method", "minor", "rest", "session", "target")

    def __init__(self, method: bytes, target: bytes, minor: int) -> None:
        self.method = method
        self.target = target
        self.minor = minor
        self.length = 0
        self.chunked = False
        self.keep_alive = minor == 1
        self.expect = False
        self.session = b""
        self.baggage = b""
        self.rest = b""


class Response:
    """What the gateway needs of a response head. `length` None and not `chunked`: the body ends with the connection."""

    __slots__ = ("chunked", "coded", "keep_alive", "length", "line", "rest", "status", "stream")

    def __init__(self, status: int, line: bytes) -> None:
        self.status = status
        self.line = line
        self.length: int | None = None
        self.chunked = False
        self.keep_alive = True
        self.stream = False  # text/event-stream
        self.coded = False  # compressed: cannot be scanned
        self.rest = b""


def _single(found: dict[bytes, bytes], name: bytes, value: bytes) -> None:
    if name in found and name in _ONCE:
        raise BadMessage(f"the header {name.decode()} is given twice")
    found[name] = found[name] + b"," + value if name in found else value


def _headers(head: bytes, start: int, finder: re.Pattern[bytes]) -> tuple[dict[bytes, bytes], list[bytes]]:
    """The named headers (lower-case name -> value as sent) and the other lines as slices.

    `start` is after the first line.
    """
    if not _LINES.fullmatch(head, start):
        raise BadMessage("the head holds a control character, a bare CR or LF, a folded line or a malformed name")
    found: dict[bytes, bytes] = {}
    rest: list[bytes] = []
    at = start
    for match in finder.finditer(head.lower(), start - 2):
        name = match[1]
        _single(found, name, head[match.start(2) : match.end(2)].rstrip(b" \t"))
        if name not in _KEPT:
            begin = match.start() + 2
            if begin > at:
                rest.append(head[at:begin])
            at = match.end() + 2
    rest.append(head[at:-2])
    return found, rest


def _length(found: dict[bytes, bytes]) -> tuple[int | None, bool]:
    """(Content-Length or None, chunked), or BadMessage where it could be read in two ways."""
    coding = found.get(b"transfer-encoding")
    text = found.get(b"content-length")
    if coding is not None:
        if text is not None:
            raise BadMessage("both content-length and transfer-encoding are given")
        if coding.lower() != b"chunked":
            raise BadMessage("the only transfer-encoding understood is chunked")
        return None, True
    if text is None:
        return None, False
    if not _DIGITS.fullmatch(text):
        raise BadMessage("content-length is not a number")
    return int(text), False


def _nominated(connection: bytes, rest: bytes) -> tuple[frozenset[bytes], bytes]:
    """The lower-case words of a Connection header, and the lines without those that it nominates as hop-by-hop."""
    words = frozenset(word.strip() for word in connection.lower().split(b","))
    names = words - {b"", b"close", b"keep-alive", b"upgrade", *_KEPT}
    if not names:
        return words, rest
    lines = [line for line in rest.split(b"\r\n") if line and line.split(b":", 1)[0].lower() not in names]
    return words, b"".join(line + b"\r\n" for line in lines)


def parse_request(head: bytes) -> Request:
    """A request head, from its first byte to the empty line, both included.

    Raises BadMessage for whatever is ambiguous.
    """
    match = _REQUEST.match(head)
    if not match:
        raise BadMessage("not an HTTP/1.x request line with an origin-form target")
    found, rest = _headers(head, match.end(), _REQUEST_NAMES)
    request = Request(match[1], match[2], int(match[3]))
    if b"host" not in found and request.minor == 1:
        raise BadMessage("the host header is missing")
    length, request.chunked = _length(found)
    request.length = length or 0
    if request.chunked and request.minor == 0:
        raise BadMessage("HTTP/1.0 has no transfer-encoding")
    if request.length > BODY_LIMIT:
        raise BadMessage(f"the body is longer than {BODY_LIMIT} bytes", 413)
    request.expect = _expects(found)
    request.session = found.get(SESSION.lower().encode(), b"")
    request.baggage = found.get(b"baggage", b"")
    authorization = found.get(b"authorization", b"")
    if authorization and not authorization.startswith(
        b"AWS4-"
    ):  # a signature for this gateway's address is of no use behind it
        rest.append(b"Authorization: " + authorization + b"\r\n")
    request.rest = b"".join(rest)
    if connection := found.get(b"connection"):
        words, request.rest = _nominated(connection, request.rest)
        request.keep_alive = request.keep_alive and b"close" not in words
    return request


def _expects(found: dict[bytes, bytes]) -> bool:
    expect = found.get(b"expect")
    if expect is not None and expect.lower() != b"100-continue":
        raise BadMessage("the only expectation understood is 100-continue", 417)
    return expect is not None


def parse_response(head: bytes) -> Response:
    """A response head, from its first byte to the empty line, both included.

    Raises BadMessage for whatever is ambiguous.
    """
    match = _RESPONSE.match(head)
    if not match:
        raise BadMessage("not an HTTP/1.x status line")
    found, rest = _headers(head, match.end(), _RESPONSE_NAMES)
    response = Response(int(match[2]), head[match.start(2) : match.end()])
    response.length, response.chunked = _length(found)
    if response.status in {204, 304}:
        response.length, response.chunked = 0, False
    response.stream = found.get(b"content-type", b"").lower().startswith(b"text/event-stream")
    response.coded = found.get(b"content-encoding", b"identity").lower() != b"identity"
    response.rest = b"".join(rest)
    response.keep_alive = match[1] == b"1"
    if connection := found.get(b"connection"):
        words, response.rest = _nominated(connection, response.rest)
        response.keep_alive = response.keep_alive and b"close" not in words
    return response


_SIZE_STRICT = re.compile(rb"([0-9A-Fa-f]{1,8})")
_SIZE_LOOSE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?")
_TRAILER = re.compile(_TOKEN + rb"+:[^\x00-\x08\x0a-\x1f\x7f]*")
_LINE_LIMIT = 4096
_SIZE, _DATA, _DATA_END, _TRAILERS, _DONE = range(5)


class ChunkWalker:
    """Walks the chunk sizes of a body that is passed on as it came. `strict` (requests): no extensions and no
    trailers.
    """

    __slots__ = ("_left", "_line", "_state", "_strict", "total")

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._state = _SIZE
        self._left = 0
        self._line = b""
        self.total = 0  # bytes of payload announced so far

    def feed(self, data: bytes, at: int = 0) -> tuple[list[bytes], int]:
        """The pieces of payload in `data` from `at`, and the position after the body's end, or -1 where more is to
        come.
        """
        pieces: list[bytes] = []
        end = len(data)
        while at < end and self._state != _DONE:
            if self._state == _DATA:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = _DATA_END
            else:
                at = self._take_line(data, at)
        return pieces, at if self._state == _DONE else -1

    def _take_line(self, data: bytes, at: int) -> int:
        newline = data.find(b"\n", at)
        if newline < 0:
            self._line += data[at:]
            if len(self._line) > _LINE_LIMIT or (self._state == _DATA_END and self._line != b"\r"):
                raise BadMessage("a chunk does not end where its size says")
            return len(data)
        line = self._line + data[at : newline + 1]
        self._line = b""
        if not line.endswith(b"\r\n") or len(line) > _LINE_LIMIT:
            raise BadMessage("a chunk line does not end with CRLF")
        self._line_done(line[:-2])
        return newline + 1

    def _line_done(self, line: bytes) -> None:
        if self._state == _SIZE:
            match = (_SIZE_STRICT if self._strict else _SIZE_LOOSE).fullmatch(line)
            if not match:
                raise BadMessage("a chunk size is not a hexadecimal number")
            self._left = int(match[1], 16)
            self.total += self._left
            self._state = _DATA if self._left else _TRAILERS
        elif self._state == _DATA_END:
            if line:
                raise BadMessage("a chunk does not end where its size says")
            self._state = _SIZE
        elif not line:
            self._state = _DONE
        elif self._strict or not _TRAILER.fullmatch(line):
            raise BadMessage("trailers are not accepted")
