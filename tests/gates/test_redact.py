"""What is kept of an answer: short, one line, and nothing that names or opens anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.redact import LONGEST, excerpt, redact, redact_data


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


@pytest.mark.parametrize(
    "text", ["token=abcdef123456", '{"password": "hunter22"}', "Bearer abc.def-123456", "a@b.cd +44 20 7946 0958"]
)
def test_redacted_again_it_is_the_same(text):
    """What is redacted in the gateway is redacted once more before it goes on the ledger."""
    once = redact(text)
    assert "[" in once
    assert redact(once) == once


def test_members_that_are_called_secrets_are_secrets():
    """Whatever their value looks like; numbers of tokens, and words about them, stay."""
    auth = {"access_token": "x", "input_tokens": 7}
    said = {"password": "a b", "apiKey": "1", "auth": auth, "note": "no token", "s": [1]}
    assert redact_data(said) == {
        "password": "[secret]",
        "apiKey": "[secret]",
        "auth": {"access_token": "[secret]", "input_tokens": 7},
        "note": "no token",
        "s": [1],
    }


@given(st.text(max_size=2000))
def test_never_long_and_never_two_lines(text):
    """Whatever an agent says."""
    kept = excerpt(text)
    assert len(kept) <= LONGEST
    assert "\n" not in kept
