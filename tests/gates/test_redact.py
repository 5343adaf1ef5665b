"""What is kept of an answer: short, one line, and nothing that names or opens anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.redact import LONGEST, excerpt


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("write to ada.l+x@mail.example.com now", "write to [e-mail] now"),
        ("Authorization: Bearer abc.def-123456", "Authorization: Bearer [secret]"),
        ("key AKIAABCDEFGHIJKLMNOP!", "key [secret]!"),
        ("sk-proj_1234567890abc", "[secret]"),
        ("eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2lnbmF0dXJl", "[secret]"),
        ('{"password": "hunter22"}', '{"password": "[secret]"}'),
        ("call +44 20 7946 0958 today", "call [number] today"),
        ("lose 5 kg in 3 months, call 988", "lose 5 kg in 3 months, call 988"),
        ("two\n lines", "two lines"),
    ],
)
def test_what_is_replaced(text, kept):
    """Addresses, secrets and long numbers go; plain words and help lines stay."""
    assert excerpt(text).startswith(kept)


@given(st.text(max_size=2000))
def test_never_long_and_never_two_lines(text):
    """Whatever an agent says."""
    kept = excerpt(text)
    assert len(kept) <= LONGEST
    assert "\n" not in kept
