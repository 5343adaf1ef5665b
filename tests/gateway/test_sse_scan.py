"""What is read in answers that were already passed on."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.gateway.sse import Scanner, Usage

FAILURE = b'data: {"text": "hel"}\n\ndata: {"error": "boom", "error_type": "ValueError", "message": "x"}\n\n'
FINE = b'data: {"text": "hello"}\n\ndata: {"usage": {"input_tokens": 3, "output_tokens": 4, "cost_usd": 0.5}}\n\n'


def scan(data, cuts=(), stream=True):
    """A scanner that was fed the data in pieces."""
    scanner = Scanner(stream=stream)
    edges = [0, *sorted(cuts), len(data)]
    for begin, end in itertools.pairwise(edges):
        scanner.feed(data[begin:end])
    scanner.finish()
    return scanner


@given(st.sets(st.integers(0, len(FAILURE)), max_size=20))
def test_a_failure_is_seen_however_it_is_cut(cuts):
    """Also in the middle of its name."""
    assert scan(FAILURE, cuts).failed


@given(st.sets(st.integers(0, len(FINE)), max_size=20))
def test_usage_is_seen_however_it_is_cut(cuts):
    """And a fine stream is no failure."""
    scanner = scan(FINE, cuts)
    assert not scanner.failed
    assert scanner.usage() == Usage(3, 4, 0.5)


@pytest.mark.parametrize(
    "data",
    [
        b'data: {"text": "the words \\"error\\" and \\"error_type\\" in a text"}\n\n',
        b'data: {"error_type": "ValueError"}\n\n',
        b'data: {"inner": {"error": 1, "error_type": 2}}\n\n',
        b'data: "error_type" "error"\n\n',
        b'event: {"error": 1, "error_type": 2}\n\n',
        b'data: ["error", "error_type"]\n\n',
    ],
)
def test_talk_of_errors_is_no_failure(data):
    """Only an event that is one."""
    assert not scan(data).failed


def test_a_failure_without_its_last_newline_is_one():
    """The agent died right after it."""
    assert scan(FAILURE.rstrip(b"\n")).failed


def test_a_failure_with_crlf_is_one():
    """Both line ends are legal."""
    assert scan(FAILURE.replace(b"\n", b"\r\n")).failed


def test_an_endless_line_is_not_kept():
    """Memory is bounded, and a failure after the line is still seen."""
    scanner = Scanner(stream=True)
    for _ in range(100):
        scanner.feed(b"x" * 4096)
    assert len(scanner._line) + len(scanner._tail) <= 70_000
    scanner.feed(b"\n" + FAILURE)
    assert scanner.failed


def test_a_body_that_is_no_stream_has_no_failures():
    """A JSON answer that talks of an error was the agent's word, with its status."""
    assert not scan(FAILURE, stream=False).failed


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        (b'{"answer": "x", "usage": {"input_tokens": 5, "output_tokens": 7}}', Usage(5, 7, None)),
        (b'{"usage" : {"input_tokens": 5}, "answer": "' + b"y" * 3000 + b'"}', Usage(5, 0, None)),
        (b'{"usage": {"input_tokens": 5}, "answer": "' + b"y" * 5000 + b'"}', None),
        (b'{"answer": "say \\"usage\\": {\\"input_tokens\\": 9}"}', None),
        (b'{"usage": {"input_tokens": -5, "output_tokens": true, "cost_usd": NaN}}', Usage(0, 0, None)),
        (b'{"usage": {"input_tokens": 1e400, "cost_usd": -1}}', Usage(0, 0, None)),
        (b'{"usage": "much"}', None),
        (b'{"usage": {"input_tok', None),
        (b"", None),
    ],
)
def test_usage_is_read_or_it_is_not_known(body, usage):
    """From the last 4 KB; nonsense counts nothing."""
    assert scan(body, stream=False).usage() == usage
