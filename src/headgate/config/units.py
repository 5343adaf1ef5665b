"""What people write in a plan, as numbers and back: durations, percentages, money, margins, comparisons.

Every `parse_*` takes what YAML gave and raises ValueError("what|mend"): what is wrong, and how it is written right.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from headgate.core.metrics import POINTS

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_ORDER = ("d", "h", "m", "s", "ms")
_NUMBER = r"(\d+(?:\.\d+)?)"
_PER = {"s": 1.0, "min": 60.0, "h": 3600.0, "day": 86400.0}
_RATE = re.compile(_NUMBER + r"(?:\s*/\s*(s|min|h|day))?")
MOST_A_MINUTE = 10_000  # sessions that a simulation draws
_LONGEST_S = 366 * 86400.0

RATES = frozenset({"error_rate", "uptime"})
TIMES = frozenset({"p50", "p95", "p99", "ttfb_p95", "first_token", "first_token_p95", "token_gap", "token_gap_p95"})
COSTS = frozenset({"cost", "cost_per_day", "cost_per_month"})
NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,47}")
TARGET = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|https?://\S+")
VARIABLE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*")
SECRET_URL = re.compile(
    r"://[^/]*@|://hooks\.slack(-gov)?\.com/|[?&][^=]*(key|token|secret|sig|auth|password)[^=]*=", re.I
)
ADDRESS = re.compile(r"[^@\s,<>]+@[^@\s,<>]+")
WORDS = {"incidents": "none", "alarms": "ok", "status": "READY", "test_invocations": "passed"}
# margins that are ratios
RATIOS = frozenset({"latency_p95", "latency_p99", "ttft_p95", "ttft_p99", "cost", "tokens"})


def refuse(what: str, mend: str) -> NoReturn:
    """Says no in the form that the plan reader turns into a line for people."""
    raise ValueError(f"{what}|{mend}")


def shown(value: Any) -> str:
    """A value as a message quotes it: text in quotes, short, one line."""
    if isinstance(value, str):
        text = '"' + value.replace("\n", " ") + '"'
    elif value is None:
        text = "nothing"
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def is_number(value: Any) -> bool:
    """Whether YAML gave a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def parse_duration(value: Any) -> float:
    """Seconds of `90s`, `10m`, `1h`, `4h30m`, `500ms`, `2d`; a bare 0 is zero."""
    mend = "give a number and a unit: 500ms, 90s, 10m, 4h30m, 2d"
    if value == "0" or (is_number(value) and value == 0):
        return 0.0
    if is_number(value):
        refuse(f"{shown(value)} has no unit", mend)
    if not isinstance(value, str):
        refuse(f"{shown(value)} is not a duration", mend)
    parts = _PART.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        refuse(f"{shown(value)} is not a duration", mend)
    places = [_ORDER.index(unit) for _, unit in parts]
    if places != sorted(set(places)):
        refuse(f"{shown(value)} is not a duration", "name each unit once, the largest first: 4h30m")
    seconds = round(sum(float(number) * _SECONDS[unit] for number, unit in parts), 3)
    if seconds > _LONGEST_S:
        refuse(f"{shown(value)} is more than a year", "give a shorter time")
    return seconds


def duration_text(seconds: float) -> str:
    """The shortest exact writing of some seconds (to the millisecond): 16200 -> 4h30m."""
    left = round(seconds * 1000)
    parts = []
    for unit in _ORDER:
        size = round(_SECONDS[unit] * 1000)
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0"


def about(seconds: float) -> str:
    """Some seconds in words, as exact as an estimate is: 12268 -> 3h24m."""
    size = 0.1 if seconds < 10 else 1 if seconds < 600 else 60
    return duration_text(round(seconds / size) * size)


def parse_percent(value: Any) -> float:
    """A fraction of `25%` or 0.25, within 0..1."""
    mend = "write a percentage, e.g. 25%, or a fraction from 0 to 1, e.g. 0.25"
    if is_number(value):
        fraction = float(value)
    elif isinstance(value, str) and (found := re.fullmatch(_NUMBER + r"\s*%", value)):
        fraction = round(float(found[1]) / 100, 12)
    else:
        refuse(f"{shown(value)} is not a share", mend)
    if not 0 <= fraction <= 1:
        refuse(f"{shown(value)} is outside 0% to 100%", mend)
    return fraction


def parse_money(value: Any) -> float:
    """Dollars of `10 USD`."""
    mend = "write the amount and the currency, e.g. 10 USD (the only currency)"
    if isinstance(value, str) and (found := re.fullmatch(_NUMBER + r"\s*USD", value)):
        return float(found[1])
    refuse(f"{shown(value)} is not an amount of money", mend)


def parse_rate(value: Any) -> float:
    """Sessions a minute of `120/min`, `2/s`, `300/h`, `5000/day`; a bare number is a minute's."""
    mend = "write so many new sessions a time, e.g. 120/min, 2/s, 5000/day"
    if isinstance(value, str) and (found := _RATE.fullmatch(value)):
        rate = float(found[1]) * 60.0 / _PER[found[2] or "min"]
    elif is_number(value):
        rate = float(value)
    else:
        refuse(f"{shown(value)} is no rate", mend)
    if not rate > 0:
        refuse(f"{shown(value)} is no traffic", mend)
    return rate


def parse_simulated_rate(value: Any) -> float:
    """The same, of traffic that is to be simulated."""
    rate = parse_rate(value)
    if rate > MOST_A_MINUTE:
        refuse(
            f"{shown(value)} is more than {MOST_A_MINUTE} a minute, the most that is simulated",
            f"write {MOST_A_MINUTE}/min: more traffic makes no step shorter than its bake time",
        )
    return rate


def parse_weight(value: Any) -> float:
    """Percent of new sessions, 0.1 to 100 in steps of 0.1."""
    mend = "give a number from 0.1 to 100, in steps of 0.1"
    if not is_number(value):
        hint = "write it without quotes and without %: 10" if isinstance(value, str) else mend
        refuse(f"{shown(value)} is not a number", hint)
    if not 0.1 <= value <= 100:
        refuse(f"{shown(value)} is not between 0.1 and 100", mend)
    if abs(value * 10 - round(value * 10)) > 1e-9:
        refuse(f"{shown(value)} is finer than 0.1", mend)
    return round(float(value), 1)


def parse_name(value: Any) -> str:
    """A name: what AgentCore, metrics and file names all take."""
    if isinstance(value, str) and NAME.fullmatch(value):
        return value
    mend = "a name has letters, digits, - and _, begins with a letter, and has at most 48 of them"
    refuse(
        f"{shown(value)} is not a name", mend if isinstance(value, str) else "put it in quotes, or name it otherwise"
    )


def parse_target(value: Any) -> str:
    """Where a notification goes: a URL, or the variable that holds it. A plan is kept on the ledger: no secrets."""
    if not isinstance(value, str) or not TARGET.fullmatch(value):
        refuse(f"{shown(value)} is no place to send to", "write a URL, or env:NAME for the variable that holds it")
    if SECRET_URL.search(value):
        refuse(
            "a URL that opens a door does not belong in a plan, which is kept on the ledger",
            "put it into a variable where the controller runs, and write env:NAME",
        )
    return value


def parse_variable(value: Any) -> str:
    """env:NAME, of what is a secret as a whole."""
    if isinstance(value, str) and VARIABLE.fullmatch(value):
        return value
    refuse(
        "a secret does not belong in a plan, which is kept on the ledger",
        "write env:NAME for the variable that holds it",
    )


def parse_addresses(value: Any) -> tuple[str, ...]:
    """One e-mail address or a list of them."""
    many = [value] if isinstance(value, str) else value
    if not isinstance(many, list) or not many:
        refuse(f"{shown(value)} is no e-mail address", "write ops@example.com, or a list of addresses")
    for each in many:
        if not isinstance(each, str) or not ADDRESS.fullmatch(each):
            refuse(f"{shown(each)} is no e-mail address", "write ops@example.com, or a list of addresses")
    return tuple(many)


def parse_margin(metric: str, value: Any) -> tuple[float, bool]:
    """How much worse the candidate may be: (value, is it a ratio). `+5pp` -> (0.05, False); `x1.25` -> (1.25, True).

    Of quality, where less is worse, -0.03 -> (0.03, False).
    """
    if metric in POINTS:
        if isinstance(value, str) and (found := re.fullmatch(r"\+" + _NUMBER + "pp", value)):
            points = float(found[1])
            if 0 < points < 100:
                return round(points / 100, 12), False
        refuse(f"{shown(value)} is no margin in points", "write how many points worse it may be, e.g. +1pp")
    if metric in RATIOS:
        if isinstance(value, str) and (found := re.fullmatch("x" + _NUMBER, value)):
            ratio = float(found[1])
            if 1 < ratio <= 100:
                return ratio, True
        refuse(f"{shown(value)} is no margin as a ratio", "write how many times more it may be, above x1: x1.25")
    if is_number(value) and -1 < value < 0:
        return -float(value), False
    refuse(f"{shown(value)} is no margin of a score", "write how far the score may fall, e.g. -0.03")


def parse_comparison(name: str, value: Any) -> tuple[str, float | str]:
    """What a criterion or an alarm compares with: ("<", 0.05) of `< 5%`, ("is", "ok") of `ok`.

    `name` says in which unit: rates as percentages, p95 and p99 as durations, costs in USD, else plain numbers.
    """
    if name in WORDS:
        if value == WORDS[name]:
            return "is", WORDS[name]
        refuse(f"{shown(value)} says nothing about {name}", f"the one thing to ask is `{name}: {WORDS[name]}`")
    example = _example(name)
    found = re.fullmatch(r"(<=|>=|<|>)\s*(\S.*)", value) if isinstance(value, str) else None
    if not found:
        refuse(f"{shown(value)} is not a comparison", f"write one in quotes, e.g. {example}")
    try:
        return found[1], _limit(name, found[2])
    except ValueError as error:
        what, _, _ = str(error).partition("|")
        refuse(what, f"compare {name} with its own unit, e.g. {example}")


def limit_text(name: str, limit: float) -> str:
    """A limit of a comparison in its own unit: ("error_rate", 0.05) -> 5%."""
    if name in RATES:
        return f"{round(limit * 100, 10):g}%"
    if name in TIMES:
        return duration_text(limit)
    return f"{limit:g} USD" if name in COSTS else f"{limit:g}"


def _limit(name: str, text: str) -> float:
    if name in RATES:
        return parse_percent(text)
    if name in TIMES:
        return parse_duration(text)
    if name in COSTS:
        return parse_money(text)
    if re.fullmatch(_NUMBER, text):
        return float(text)
    refuse(f"{shown(text)} is not a number", "")


def _example(name: str) -> str:
    if name == "uptime":
        return '"> 99.9%"'
    if name in RATES:
        return '"< 5%"'
    if name in TIMES:
        return '"< 10s"'
    return '"< 10 USD"' if name in COSTS else '"< 1"'
