"""An answer against what a suite expects of it: the first thing that is not so, in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from headgate.config.expect_schema import Expect
from headgate.config.suite_schema import Turn
from headgate.gates.answer import Answer
from headgate.gates.words import declines, language_of, similarity

_UNTOLD = "the agent does not tell {what}: see docs/gates.md for where it is looked for"


def wrong_with(turn: Turn, answer: Answer) -> str:
    """Why this answer does not do, or "" where it does. Without an expected status it must be 200 and hold no error.

    What needs a judge or another session is not checked here.
    """
    if not answer.status:
        return answer.failure
    if reason := _status(turn, answer):
        return reason
    return next(filter(None, (unmet(expect, answer) for expect in turn.expect)), "")


def _status(turn: Turn, answer: Answer) -> str:
    below = next((e.status_below for e in turn.expect if e.status_below is not None), None)
    if below is not None:
        return "" if answer.status < below else f"status {answer.status}, expected one below {below}"
    wanted = next((e.status for e in turn.expect if e.status is not None), 200)
    if answer.status != wanted:
        return f"status {answer.status}, expected {wanted}"
    return answer.failure if wanted == 200 else ""


def unmet(expect: Expect, answer: Answer) -> str:
    """Why one expectation is not met, or ""."""
    (name,) = expect.model_fields_set
    return unmet_check(name, getattr(expect, name), answer)


def unmet_check(name: str, wanted: Any, answer: Answer) -> str:
    """Why the check of this name is not met, or ""; one that is not made on an answer alone is."""
    check = _CHECKS.get(name)
    return check(wanted, answer) if check else ""


def _contains(wanted: str, answer: Answer) -> str:
    return "" if wanted.casefold() in answer.text.casefold() else f'the answer does not contain "{wanted}"'


def _contains_any(wanted: list[str], answer: Answer) -> str:
    text = answer.text.casefold()
    if any(each.casefold() in text for each in wanted):
        return ""
    return "the answer contains none of " + ", ".join(f'"{each}"' for each in wanted)


def _not_contains(banned: str, answer: Answer) -> str:
    return f'the answer contains "{banned}"' if banned.casefold() in answer.text.casefold() else ""


def _regex(pattern: str, answer: Answer) -> str:
    return "" if re.search(pattern, answer.text) else f"the answer does not match /{pattern}/"


def _not_regex(pattern: str, answer: Answer) -> str:
    found = re.search(pattern, answer.text)
    return f'the answer matches /{pattern}/ with "{found[0][:60]}"' if found else ""


def _json_schema(schema: dict[str, Any], answer: Answer) -> str:
    from jsonschema import Draft202012Validator

    if answer.data is None:
        return "the answer is not JSON"
    error = next(Draft202012Validator(schema).iter_errors(answer.data), None)
    if error is None:
        return ""
    where = ".".join(map(str, error.absolute_path))
    return f"the answer does not meet the schema{f' at {where}' if where else ''}: {error.message[:200]}"


def _similar(wanted: Any, answer: Answer) -> str:
    found = similarity(wanted.to, answer.text)
    return "" if found >= wanted.at_least else f"similarity {found:.2f}, expected at least {wanted.at_least:g}"


def _language(wanted: str, answer: Answer) -> str:
    found = language_of(answer.text)
    return "" if found == wanted else f"the answer's language is {found or 'not to be told'}, expected {wanted}"


def _refused(wanted: bool, answer: Answer) -> str:
    found = answer.refused if answer.refused is not None else declines(answer.text)
    if found is wanted:
        return ""
    return "it did not decline" if wanted else "it declined"


def _tool_called(name: str, answer: Answer) -> str:
    if answer.tools is None:
        return _UNTOLD.format(what="which tools it called")
    return "" if name in answer.tools else f"tool {name} was not called (called: {', '.join(answer.tools) or 'none'})"


def _tool_not_called(name: str, answer: Answer) -> str:
    if answer.tools is None:
        return _UNTOLD.format(what="which tools it called")
    return f"tool {name} was called" if name in answer.tools else ""


def _max_seconds(most: float, answer: Answer) -> str:
    return f"took {answer.seconds:.2f} s, expected at most {most:g} s" if answer.seconds > most else ""


def _max_first_token(most: float, answer: Answer) -> str:
    if answer.first_s is None:
        return "no first token came"
    late = answer.first_s > most
    return f"the first token took {answer.first_s:.2f} s, expected at most {most:g} s" if late else ""


def _max_tokens(most: int, answer: Answer) -> str:
    if answer.tokens_out is None:
        return _UNTOLD.format(what="its tokens")
    return f"{answer.tokens_out} tokens written, expected at most {most}" if answer.tokens_out > most else ""


_CHECKS: dict[str, Callable[[Any, Answer], str]] = {
    "contains": _contains,
    "contains_any": _contains_any,
    "not_contains": _not_contains,
    "regex": _regex,
    "not_regex": _not_regex,
    "json_schema": _json_schema,
    "similar": _similar,
    "language": _language,
    "refused": _refused,
    "remembers": _contains,
    "tool_called": _tool_called,
    "tool_not_called": _tool_not_called,
    "max_seconds": _max_seconds,
    "max_first_token": _max_first_token,
    "max_tokens": _max_tokens,
}
