"""Small line charts as SVG text: nice ticks, room around the data, title and description for the blind.

Colours come from the page's style sheet (`style.CHART_CSS`): one drawing serves light, dark and paper; a drawing that
has to stand alone gets them with `standalone`. The same chart is the same bytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headgate.reports.style import ALONE_CSS, mark

Point = tuple[float, float]

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 18, 62, 44
_FEW = 12  # points that are shown each, so that a single one is seen
_CHARACTER = 6.3  # px of an average character at 12 px
_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 43200, 86400)


@dataclass(frozen=True, slots=True)
class Trace:
    """One line. `kind` is its style class; `stairs` holds each value until the next point."""

    name: str
    kind: str
    points: tuple[Point, ...]
    stairs: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """(x, low, high) of each point."""

    name: str
    points: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """x is seconds since `x_label` says; `limits` are (y, label) and `events` (x, label)."""

    title: str
    description: str
    x_label: str
    y_format: Callable[[float], str]
    traces: tuple[Trace, ...]
    band: Band | None = None
    limits: tuple[tuple[float, str], ...] = ()
    events: tuple[tuple[float, str], ...] = ()
    y_top: float | None = None  # the axis reaches at least so far
    y_step: float = 0.0  # the least distance of ticks
    x_from: float | None = None  # the axis begins there at the latest, and ends a little after the last point


def nice_ticks(low: float, high: float, about: int = 5, least: float = 0.0) -> list[float]:
    """Equal steps of 1, 2, 2.5 or 5 times a power of ten, from at or below `low` to at or above `high`."""
    span = high - low if high - low > 1e-9 else 1.0  # what differs by less is one value
    raw = max(span / about, least)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil((low + span) / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def time_ticks(low: float, high: float, about: int = 7) -> list[float]:
    """Ticks of whole seconds, minutes, hours or days inside [low, high]."""
    raw = max(high - low, 1e-9) / about
    step = next((s for s in _SECONDS if s >= raw), 86400 * math.ceil(raw / 86400))
    return [float(i * step) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def elapsed(seconds: float, step: float) -> str:
    """An x tick in the unit of its step: "30 s", "5 min", "2 h", "1 d"."""
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if step >= unit:
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} s"


def draw(chart: Chart) -> str:
    """The chart as one `svg` element."""
    slug = re.sub(r"\W+", "-", chart.title.lower()).strip("-")
    frame = _frame(chart)
    parts = [
        f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-family="system-ui, sans-serif" font-size="12" role="img" '
        f'aria-labelledby="{slug}-title {slug}-desc">',
        f'<title id="{slug}-title">{_escape(chart.title)}</title>',
        f'<desc id="{slug}-desc">{_escape(chart.description)}</desc>',
        f'<text {mark("title")} x="{LEFT}" y="18">{_escape(chart.title)}</text>',
        _legend(chart),
        *frame.axes(chart),
        frame.band(chart.band) if chart.band else "",
        *(frame.limit(y, label) for y, label in chart.limits),
        *(frame.trace(trace) for trace in reversed(chart.traces)),  # the first, which is dashed, on top
        *frame.events(chart.events),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part)


def standalone(svg: str) -> str:
    """The drawing with its colours inside, for a file of its own; it follows the reader's light or dark."""
    head, rest = svg.split(">", 1)
    return f"{head}>\n<style>\n{ALONE_CSS}</style>{rest}\n"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _frame(chart: Chart) -> _Frame:
    xs = [x for trace in chart.traces for x, _ in trace.points] + [x for x, _ in chart.events]
    ys = [y for trace in chart.traces for _, y in trace.points] + [y for y, _ in chart.limits]
    if chart.band:  # its wide beginning may run out of the picture, the part that decides may not
        late = chart.band.points[len(chart.band.points) * 3 // 4 :]
        ys += [y for _, low, high in late for y in (low, high)]
    high = max(ys) if chart.y_top is None else max(*ys, chart.y_top)
    ticks = nice_ticks(min(0.0, *ys), high, least=chart.y_step)
    first, last = min(xs), max(xs)
    if chart.x_from is not None:
        first = min(first, chart.x_from)
        last += (last - first) * 0.03
    return _Frame(first, max(last, first + 1), tuple(ticks))


def _legend(chart: Chart) -> str:
    entries = [(f'<line {mark(t.kind)} x1="{{x}}" y1="36" x2="{{x2}}" y2="36"/>', t.name) for t in chart.traces]
    if chart.band:
        entries.append((f'<rect {mark("band")} x="{{x}}" y="30" width="24" height="12"/>', chart.band.name))
    x, parts = float(LEFT), []
    for sample, name in entries:
        label = f'<text {mark("label")} x="{_n(x + 30)}" y="40">{_escape(name)}</text>'
        parts.append(sample.format(x=_n(x), x2=_n(x + 24)) + label)
        x += 30 + len(name) * _CHARACTER + 20
    return "\n".join(parts)


@dataclass(frozen=True, slots=True)
class _Frame:
    """From values to pixels."""

    x0: float
    x1: float
    ticks: tuple[float, ...]

    def x(self, value: float) -> float:
        return LEFT + (value - self.x0) / (self.x1 - self.x0) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        inside = min(max(value, low), high)
        return HEIGHT - BOTTOM - (inside - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def axes(self, chart: Chart) -> list[str]:
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        parts = []
        for tick in self.ticks:
            y = _n(self.y(tick))
            parts.append(f'<line {mark("grid")} x1="{LEFT}" y1="{y}" x2="{right}" y2="{y}"/>')
            label = chart.y_format(tick)
            parts.append(
                f'<text {mark("label")} x="{LEFT - 8}" y="{_n(self.y(tick) + 4)}" text-anchor="end">{label}</text>'
            )
        times = time_ticks(self.x0, self.x1)
        step = times[1] - times[0] if len(times) > 1 else 1.0
        for tick in times:
            x = _n(self.x(tick))
            parts.append(f'<line {mark("axis")} x1="{x}" y1="{bottom}" x2="{x}" y2="{bottom + 4}"/>')
            parts.append(
                f'<text {mark("label")} x="{x}" y="{bottom + 18}" text-anchor="middle">{elapsed(tick, step)}</text>'
            )
        parts.append(f'<line {mark("axis")} x1="{LEFT}" y1="{bottom}" x2="{right}" y2="{bottom}"/>')
        middle = _n((LEFT + right) / 2)
        parts.append(
            f'<text {mark("label")} x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{_escape(chart.x_label)}</text>'
        )
        return parts

    def trace(self, trace: Trace) -> str:
        path = _stairs(trace.points) if trace.stairs else trace.points
        points = " ".join(f"{_n(self.x(x))},{_n(self.y(y))}" for x, y in path)
        line = f'<polyline {mark(trace.kind)} points="{points}"/>'
        if trace.stairs or len(path) > _FEW:
            return line
        dots = (f'<circle {mark(trace.kind)} cx="{_n(self.x(x))}" cy="{_n(self.y(y))}" r="2.5"/>' for x, y in path)
        return "\n".join((line, *dots))

    def band(self, band: Band) -> str:
        upper = [(x, high) for x, _, high in band.points]
        lower = [(x, low) for x, low, _ in reversed(band.points)]
        points = " ".join(f"{_n(self.x(x))},{_n(self.y(y))}" for x, y in (*upper, *lower))
        return f'<polygon {mark("band")} points="{points}"/>'

    def limit(self, value: float, label: str) -> str:
        y, right = self.y(value), WIDTH - RIGHT
        return (
            f'<line {mark("limit")} x1="{LEFT}" y1="{_n(y)}" x2="{right}" y2="{_n(y)}"/>'
            f'<text {mark("label")} x="{LEFT + 4}" y="{_n(y - 5)}">{_escape(label)}</text>'
        )

    def events(self, events: Sequence[tuple[float, str]]) -> list[str]:
        """Vertical marks; the labels stand in rows so that near ones do not overlap, and lean inwards at the right."""
        parts = []
        for row, (at, label) in enumerate(events):
            x, y = self.x(at), TOP + 12 + 14 * (row % 3)
            leans = x + len(label) * _CHARACTER + 8 > WIDTH - RIGHT
            anchor, where = ("end", x - 5) if leans else ("start", x + 5)
            parts.append(f'<line {mark("event")} x1="{_n(x)}" y1="{TOP}" x2="{_n(x)}" y2="{HEIGHT - BOTTOM}"/>')
            parts.append(
                f'<text {mark("event-label")} x="{_n(where)}" y="{y}" text-anchor="{anchor}">{_escape(label)}</text>'
            )
        return parts


def _stairs(points: Sequence[Point]) -> list[Point]:
    path: list[Point] = []
    for x, y in points:
        if path:
            path.append((x, path[-1][1]))
        path.append((x, y))
    return path


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
