"""The strict reader of heads and chunks."""

import itertools

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.gateway.wire import BODY_LIMIT, BadMessage, ChunkWalker, parse_request, parse_response

GOOD = b"POST /runtimes/a/invocations HTTP/1.1\r\nHost: x\r\n"


def test_the_head_is_passed_on_without_what_belongs_to_this_hop():
    """Hop-by-hop headers, those that Connection names, the host, the signature and the expectation stay here; all
    else goes on as sent.
    """
    request = parse_request(
        GOOD + b"Content-Type: application/json\r\nConnection: keep-alive, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\n"
        b"TE: trailers\r\nUpgrade: h2c\r\nProxy-Connection: x\r\nTrailer: a\r\nExpect: 100-continue\r\n"
        b"Accept-Encoding: gzip\r\nAuthorization: AWS4-HMAC-SHA256 x\r\nX-Amz-Security-Token: t\r\n"
        b"Content-Length: 3\r\nX-Kept:  as  it is \r\nbaggage: a=b\r\n\r\n"
    )
    assert request.rest == b"Content-Type: application/json\r\nContent-Length: 3\r\nX-Kept:  as  it is \r\n"
    assert (request.length, request.expect, request.baggage, request.keep_alive) == (3, True, b"a=b", True)


def test_a_bearer_token_is_for_the_agent():
    """Only the signature that was made for the gateway's address is dropped."""
    assert b"Authorization: Bearer x\r\n" in parse_request(GOOD + b"Authorization: Bearer x\r\n\r\n").rest


def test_the_session_header_is_found_in_any_case():
    """Header names have no case; values keep theirs."""
    head = GOOD + b"x-amzn-BEDROCK-agentcore-runtime-session-id: AbC\r\n\r\n"
    assert parse_request(head).session == b"AbC"


REFUSED = {
    "length and coding": GOOD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "two lengths": GOOD + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
    "two different lengths": GOOD + b"Content-Length: 1\r\ncontent-length: 2\r\n\r\n",
    "list of lengths": GOOD + b"Content-Length: 1, 1\r\n\r\n",
    "signed length": GOOD + b"Content-Length: +1\r\n\r\n",
    "hexadecimal length": GOOD + b"Content-Length: 0x1\r\n\r\n",
    "empty length": GOOD + b"Content-Length:\r\n\r\n",
    "length beyond any": GOOD + b"Content-Length: 9999999999999999999\r\n\r\n",
    "two codings": GOOD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "coding that is not chunked": GOOD + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    "disguised coding": GOOD + b"Transfer-Encoding: xchunked\r\n\r\n",
    "coding in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "folded line": GOOD + b"X-A: 1\r\n 2\r\n\r\n",
    "folded line with a tab": GOOD + b"X-A: 1\r\n\t2\r\n\r\n",
    "bare LF": GOOD + b"X-A: 1\nX-B: 2\r\n\r\n",
    "bare CR": GOOD + b"X-A: 1\rX-B: 2\r\n\r\n",
    "NUL": GOOD + b"X-A: 1\x002\r\n\r\n",
    "control character": GOOD + b"X-A: 1\x7f\r\n\r\n",
    "space before the colon": GOOD + b"Content-Length : 1\r\n\r\n",
    "space in a name": GOOD + b"X A: 1\r\n\r\n",
    "no colon": GOOD + b"X-A\r\n\r\n",
    "empty name": GOOD + b": 1\r\n\r\n",
    "no host": b"POST / HTTP/1.1\r\n\r\n",
    "two hosts": GOOD + b"Host: y\r\n\r\n",
    "two sessions": GOOD + b"X-Amzn-Bedrock-AgentCore-Runtime-Session-Id: a\r\n" * 2 + b"\r\n",
    "absolute target": b"POST http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "space in the target": b"POST /a b HTTP/1.1\r\nHost: x\r\n\r\n",
    "unknown method": b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/2": b"POST / HTTP/2.0\r\nHost: x\r\n\r\n",
    "two blanks in the request line": b"POST  / HTTP/1.1\r\nHost: x\r\n\r\n",
    "expectation unknown": GOOD + b"Expect: tea\r\n\r\n",
}


@pytest.mark.parametrize("head", REFUSED.values(), ids=REFUSED)
def test_what_can_be_read_in_two_ways_is_refused(head):
    """Each is a way to make two servers disagree on where a request ends or what it says."""
    with pytest.raises(BadMessage):
        parse_request(head)


def test_a_body_over_the_limit_is_413():
    """AgentCore's own limit, before a byte of the body is read."""
    with pytest.raises(BadMessage) as refused:
        parse_request(GOOD + b"Content-Length: %d\r\n\r\n" % (BODY_LIMIT + 1))
    assert refused.value.status == 413


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: 1\n\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"hello\r\n\r\n",
    ],
)
def test_an_ambiguous_answer_is_refused_too(head):
    """An agent cannot make the gateway and its client disagree either."""
    with pytest.raises(BadMessage):
        parse_response(head)


def test_an_answers_framing_is_read():
    """Length, chunks, the end of the connection, and no body at all."""
    assert parse_response(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n").length == 7
    assert parse_response(b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n").chunked
    until_close = parse_response(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    assert (until_close.length, until_close.chunked, until_close.keep_alive) == (None, False, False)
    assert parse_response(b"HTTP/1.1 204 No Content\r\n\r\n").length == 0


# --- chunks ----------------------------------------------------------------------------------------------------------

CHUNKED = b"5\r\nhello\r\nA\r\n, world!!!\r\n0\r\n\r\nNEXT"


def walk(data, cuts, strict=True):
    """Feeds the data in pieces; (payload, bytes of the body)."""
    walker, payload, used = ChunkWalker(strict=strict), b"", 0
    edges = [0, *sorted(cuts), len(data)]
    for begin, end in itertools.pairwise(edges):
        pieces, stop = walker.feed(data[begin:end])
        payload += b"".join(pieces)
        if stop >= 0:
            return payload, used + stop
        used += end - begin
    return payload, -1


@given(st.sets(st.integers(0, len(CHUNKED)), max_size=12))
def test_chunks_are_walked_alike_however_they_are_cut(cuts):
    """The end of the body is found at the same byte whatever the network did."""
    assert walk(CHUNKED, cuts) == (b"hello, world!!!", len(CHUNKED) - 4)


@pytest.mark.parametrize(
    "body",
    [
        b"5;x=1\r\nhello\r\n",
        b"-1\r\n",
        b"0x5\r\n",
        b"\r\n",
        b" 5\r\n",
        b"5 \r\n",
        b"5\nhello\r\n",
        b"5\r\nhelloX\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"0\r\nX: 1\r\n\r\n",
        b"FFFFFFFFF\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"1" * 5000,
    ],
)
@given(st.sets(st.integers(0, 12), max_size=4))
def test_bad_chunks_are_refused_however_they_are_cut(body, cuts):
    """Extensions, trailers and sizes that another parser might read otherwise."""
    with pytest.raises(BadMessage):
        walk(body, {cut for cut in cuts if cut <= len(body)})


def test_an_agents_extensions_and_trailers_are_passed_over():
    """Of an answer only the length matters; what is legal is legal."""
    data = b"5 ;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"
    assert walk(data, (), strict=False) == (b"hello", len(data))


# --- against llhttp --------------------------------------------------------------------------------------------------


class Seen:
    """What llhttp makes of some bytes."""

    def __init__(self):
        self.target = self.body = b""
        self.headers = []
        self.complete = False

    def on_url(self, url):
        self.target += url

    def on_header(self, name, value):
        self.headers.append((name.lower(), value))

    def on_body(self, body):
        self.body += body

    def on_message_complete(self):
        self.complete = True


def llhttp(data):
    """The verdict of the reference parser; None: refused."""
    seen = Seen()
    parser = httptools.HttpRequestParser(seen)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        return seen, parser
    except httptools.HttpParserError:
        return None
    return seen, parser


def ours(data):
    """Our verdict on one whole request: (request, body), or None: refused or not complete."""
    end = data.find(b"\r\n\r\n") + 4
    if end < 4:
        return None
    try:
        request = parse_request(data[:end])
        if request.chunked:
            body, stop = walk(data[end:], ())
            return (request, body) if stop == len(data) - end else None
    except BadMessage:
        return None
    body = data[end:]
    return (request, body) if len(body) == request.length else None


LINES = [
    b"POST / HTTP/1.1\r\n",
    b"POST /runtimes/a%2Fb/invocations?qualifier=x HTTP/1.1\r\n",
    b"GET /ping HTTP/1.0\r\n",
    b"POST /\x80 HTTP/1.1\r\n",
    b"POST / HTTP/1.2\r\n",
    b"post / HTTP/1.1\r\n",
    b"POST /#a HTTP/1.1\r\n",
    b"POST * HTTP/1.1\r\n",
    b"\r\nPOST / HTTP/1.1\r\n",
]
FIELDS = [
    b"Host: x\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 05\r\n",
    b"Content-Length:\t5 \r\n",
    b"Content-Length: 5 5\r\n",
    b"Content-Length : 5\r\n",
    b"Content_Length: 5\r\n",
    b"\x0bContent-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: CHUNKED\r\n",
    b"Transfer-Encoding: chunked, identity\r\n",
    b"Transfer-Encoding:\x0bchunked\r\n",
    b"Transfer-Encoding:\r\n chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: upgrade\r\nUpgrade: x\r\n",
    b"Connection: content-length\r\n",
    b"X-A: \xff\r\n",
    b"X-A: a\rb\r\n",
    b"X-A:\n",
    b"X-A: \x00\r\n",
    b"Expect: 100-continue\r\n",
]
BODIES = [
    b"",
    b"hello",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"5;a\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello\r\n0\r\nA: b\r\n\r\n",
    b"5\nhello\n0\n\n",
]
BYTES = st.sampled_from([b"\r", b"\n", b"\0", b" ", b"\t", b":", b",", b";", b"0", b"\x0b", b"\xff", b"\r\n"])


@st.composite
def requests(draw):
    """Requests that are nearly right: parts that matter for framing, then a few bytes put in, taken out or replaced."""
    data = draw(st.sampled_from(LINES[:3] * 6 + LINES))
    data += b"Host: h\r\n" + b"".join(draw(st.lists(st.sampled_from(FIELDS), max_size=2))) + b"\r\n"
    data += draw(st.sampled_from(BODIES[:3] * 2 + BODIES))
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(BYTES | st.just(b"")) + data[at + draw(st.integers(0, 1)) :]
    return data


def test_whatever_we_take_llhttp_takes_alike():
    """Differential: same verdict or stricter, and the same method, target, headers and body where we accept."""
    taken = []

    @settings(max_examples=2000)
    @given(requests())
    def check(data):
        mine = ours(data)
        taken.append(mine is not None)
        if mine is not None:
            agree(data, *mine)

    check()
    assert 0.05 < sum(taken) / len(taken) < 0.9  # the fuzz reaches both sides


def agree(data, request, body):
    """llhttp reads the same in these bytes."""
    reference = llhttp(data)
    assert reference is not None
    seen, parser = reference
    assert seen.target == request.target
    assert parser.get_method() == request.method
    if not parser.should_upgrade():
        assert seen.complete
        assert seen.body == body
    names = [name for name, _ in seen.headers]
    assert request.chunked == (b"transfer-encoding" in names)
    assert {line.split(b":")[0].lower() for line in request.rest.split(b"\r\n") if line} <= set(names)
