"""Values as people read them: dates in UTC, durations, fractions, money, each from a bare number."""

from __future__ import annotations

from datetime import UTC, datetime

_RATES = frozenset({"error", "error_rate", "tool_error", "uptime", "test_invocations"})
_MONEY = frozenset({"cost", "cost_per_day", "cost_per_month"})
_LATENCIES = ("p50", "p95", "p99", "latency", "ttfb", "first_token", "token_gap")


def utc(at: float) -> str:
    """A Unix time as "2026-02-08 07:58:12 UTC"."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def clock(at: float) -> str:
    """The time of day of a Unix time, "07:58:12 UTC"."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S UTC")


def day(at: float) -> str:
    """The date of a Unix time, "February 8, 2026"."""
    when = datetime.fromtimestamp(at, UTC)
    return f"{when:%B} {when.day}, {when.year}"


def duration(seconds: float) -> str:
    """Seconds as people say them: "420 ms", "1.34 s", "12.3 s", "3 min 20 s", "2 h 5 min", "1 d 2 h"."""
    sign, s = ("-", -seconds) if seconds < 0 else ("", seconds)
    if 0 < s < 0.9995:
        return f"{sign}{s * 1000:.3g} ms"
    if s < 120:
        return f"{sign}{round(s, 2 if s < 10 else 1):g} s"
    whole = round(s)
    for unit, name, small, small_name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit:
            rest = whole % unit // small
            return f"{sign}{whole // unit} {name}" + (f" {rest} {small_name}" if rest else "")
    return f"{sign}{whole} s"


def number(value: float) -> str:
    """At most four significant digits, thousands kept whole."""
    if value == round(value) and abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:,.0f}" if 10_000 <= abs(value) < 1e9 else f"{value:.4g}"


def percent(fraction: float) -> str:
    """A fraction as percent: 0.0123 -> "1.23 %"."""
    return f"{number(round(fraction * 100, 4))} %"


def weight(percent_of_new: float) -> str:
    """A weight, which is percent already: 12.5 -> "12.5 %"."""
    return f"{percent_of_new:g} %"


def usd(value: float) -> str:
    """Dollars; fractions of a cent are kept where they are all there is."""
    return f"{value:.2f} USD" if abs(value) >= 0.1 or value == 0 else f"{value:.3g} USD"


def measure(metric: str, value: float) -> str:
    """The value of a metric in the metric's own unit."""
    if metric in _RATES:
        return percent(value)
    if metric in _MONEY:
        return usd(value)
    if metric.startswith(_LATENCIES) or metric.endswith("_s"):
        return duration(value)
    return number(value)


def in_unit(unit: str, value: float) -> str:
    """A value in the unit that a look of the analysis says: share, ms, USD; of others the number."""
    if unit == "share":
        return percent(value)
    if unit == "ms":
        return duration(value / 1000.0)
    return usd(value) if unit == "USD" else number(value)


def count(n: int, one: str, many: str = "") -> str:
    """ "1 session", "2 sessions"."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


_OUTAGES = {
    "throttled": "asks for fewer calls",
    "timed_out": "does not answer in time",
    "refused": "refuses to be read",
    "not_found": "is not there",
    "unavailable": "cannot be reached",
}


def outage(port: str, kind: str, over_s: float | None) -> str:
    """An outage of a port; `over_s` how long it lasted, None while it goes on."""
    said = f"{port} {_OUTAGES.get(kind, kind)}"
    return said if over_s is None else f"{port} answers again after {duration(over_s)} ({kind.replace('_', ' ')})"
