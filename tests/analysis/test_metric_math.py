"""Metric math: what AWS documents about missing points, the functions, and errors that say where."""

import pytest

from headgate.analysis.math_functions import World
from headgate.analysis.metric_math import parse

N = None
WORLD = World({"e": [1.0, N, 2.0, 0.0], "r": [10.0, N, 0.0, 5.0], "q": [N, 4.0, N, 6.0]}, 60.0)


def value(text):
    """An expression over e, r and q."""
    return parse(text, WORLD.series).series(WORLD)


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("e / r", [0.1, N, N, 0.0]),  # a division by zero gives no point, and neither does nothing by nothing
        ("e / r * 100", [10.0, N, N, 0.0]),
        ("e + q", [1.0, 4.0, 2.0, 6.0]),  # a missing side is 0
        ("e - q", [1.0, -4.0, 2.0, -6.0]),
        ("e + 1", [2.0, N, 3.0, 1.0]),  # a number has no points of its own
        ("q < e", [1.0, 0.0, 1.0, 0.0]),
        ("(e > 0) AND (r > 0)", [1.0, N, 0.0, 0.0]),
        ("e > 1 || r == 5", [0.0, N, 1.0, 1.0]),
        ("-e ^ 2", [-1.0, N, -4.0, 0.0]),
        ("2 ^ 3 ^ 2 + 0 * e", [512.0, N, 512.0, 512.0]),
        ("e - 1 - 1", [-1.0, N, 0.0, -2.0]),
        ("FILL(e / r, 0)", [0.1, 0.0, 0.0, 0.0]),
        ("FILL(r, REPEAT)", [10.0, 10.0, 0.0, 5.0]),
        ("FILL(r, LINEAR)", [10.0, 5.0, 0.0, 5.0]),
        ("FILL(q, LINEAR)", [N, 4.0, 5.0, 6.0]),
        ("FILL(e, q)", [1.0, 4.0, 2.0, 0.0]),
        ("IF(r > 5, e / r, 0)", [0.1, N, 0.0, 0.0]),
        ("IF(r > 5, e)", [1.0, N, N, N]),
        ("IF(1, e)", [1.0, N, 2.0, 0.0]),
        ("RATE(r)", [N, N, -10 / 120, 5 / 60]),
        ("DIFF(r)", [N, N, -10.0, 5.0]),
        ("RUNNING_SUM(r)", [10.0, N, 10.0, 15.0]),
        ("SUM([e, r])", [11.0, N, 2.0, 5.0]),
        ("MAX(METRICS())", [10.0, 4.0, 2.0, 6.0]),
        ("r - AVG(r)", [5.0, N, -5.0, 0.0]),
        ("r / DATAPOINT_COUNT(r)", [10 / 3, N, 0.0, 5 / 3]),
        ("e * 86400 / PERIOD(e)", [1440.0, N, 2880.0, 0.0]),
        ("ABS(0 - r)", [10.0, N, 0.0, 5.0]),
        ("LOG10(r)", [1.0, N, N, 0.6989700043360189]),
        ("CEIL(e / r) + FLOOR(e / r)", [1.0, N, N, 0.0]),
        ("e * 1e3", [1000.0, N, 2000.0, 0.0]),
        ("r ^ 1000", [N, N, 0.0, N]),  # too large for a number: no point
    ],
)
def test_the_value(text, points):
    """Point by point, None where there is none."""
    found = value(text)
    assert [None if x is None else round(x, 9) for x in found] == [None if x is None else round(x, 9) for x in points]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("e /", "ends too early, at character 4"),
        ("x + 1", "no id 'x'"),
        ("e r", "'r' is not expected here, at character 3"),
        ("e; r", "';' means nothing, at character 2"),
        ("__import__(e)", "no function __import__"),
        ("e.__class__", "'.' means nothing"),
        ("SEARCH(e)", "no function SEARCH"),
        ("SUM(e, r)", "takes 1 arguments"),
        ("SUM(e)", "one series"),
        ("42", "one series"),
        ("", "ends too early"),
        ("(" * 50 + "e" + ")" * 50, "more than 40 levels"),
        ("e + " * 400 + "e", "longer than"),
        ("(e", "')' is missing"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text, why):
    """Nothing is guessed, and nothing is ever run."""
    with pytest.raises(ValueError, match=r".") as refused:
        value(text)
    assert why in str(refused.value)
