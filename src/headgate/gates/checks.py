"""An answer against what a suite expects of it: the first thing that is not so, in words."""

from __future__ import annotations

import re

from headgate.config.suite_schema import Expect, Turn
from headgate.gates.conversation import Answer


def wrong_with(turn: Turn, answer: Answer) -> str:
    """Why this answer does not do, or "" where it does. Without an expected status it must be 200 and hold no error."""
    if not answer.status:
        return answer.failure
    wanted = next((e.status for e in turn.expect if e.status is not None), 200)
    if answer.status != wanted:
        return f"status {answer.status}, expected {wanted}"
    if answer.failure and wanted == 200:
        return answer.failure
    return next(filter(None, (_unmet(expect, answer) for expect in turn.expect)), "")


def _unmet(expect: Expect, answer: Answer) -> str:
    text = answer.text.casefold()
    if expect.contains is not None and expect.contains.casefold() not in text:
        return f'the answer does not contain "{expect.contains}"'
    if expect.not_contains is not None and expect.not_contains.casefold() in text:
        return f'the answer contains "{expect.not_contains}"'
    if expect.regex is not None and not re.search(expect.regex, answer.text):
        return f"the answer does not match /{expect.regex}/"
    if expect.max_seconds is not None and answer.seconds > expect.max_seconds:
        return f"took {answer.seconds:.2f} s, expected at most {expect.max_seconds:g} s"
    return ""
