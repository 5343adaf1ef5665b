"""What is asked of the judge, each a line that holds or does not."""

from dataclasses import dataclass

from benchmarks.decisions.catalogue import STUDY
from benchmarks.decisions.registry import ORACLE, OURS
from benchmarks.decisions.summary import above, below, mean_ratio

SURE = 0.05  # level of the tests of the benchmark itself
PROVABLE = ("aa", "aa_halves", "aa_three_steps", "aa_err01", "better", "better_latency")


@dataclass(frozen=True)
class Line:
    """One target: `must` ones decide the exit status."""

    name: str
    value: str
    wanted: str
    held: bool
    must: bool = True


def suspicious(row, alpha):
    """A null whose rate of false rollbacks is significantly above alpha."""
    return row.n > 0 and above(row.wrong, row.n, alpha) < SURE


def family(row):
    """Whether the row is of a random family."""
    return row.scenario.startswith(("any_", "none_"))


def _scored(row):
    return row.kind in ("regression", "onset", "decay") and not family(row)


def score(rows):
    """Geometric mean over all named regressions, onsets and decays."""
    return mean_ratio(rows, _scored)


def study(rows):
    """The same over the regressions of the study, to compare with its numbers."""
    return mean_ratio(rows, lambda row: row.scenario in STUDY)


def held_out(rows):
    """The same over the random family."""
    return mean_ratio(rows, lambda row: row.kind == "regression" and family(row))


def valid(rows, alpha):
    """The rows that speak against a rule's validity: named ones singly, those of the random family all together."""
    single = [row for row in rows if not family(row) and row.kind in ("null", "onset")]
    against = [row.scenario for row in single if suspicious(row, alpha)]
    some = [row for row in rows if family(row) and row.kind == "null"]
    if some and above(sum(row.wrong for row in some), sum(row.n for row in some), alpha) < SURE:
        against.append("random nulls")
    return against


def weak(rows, oracle):
    """Regressions that the oracle finds in 99 % and this rule in significantly less than 95 %."""
    sure = {row.scenario for row in oracle if row.n and row.found >= 0.99 * row.n}
    out = []
    for row in rows:
        n = row.n - row.wrong - row.before
        if row.scenario in sure and row.kind != "null" and not family(row) and n and below(row.found, n, 0.95) < SURE:
            out.append(f"{row.scenario} {row.found / n:.2f}")
    return out


def _share(rows, count):
    rows = list(rows)
    n = sum(row.n for row in rows)
    return sum(count(row) for row in rows) / n if n else None


def _verdict(against, measured):
    return (", ".join(against) or "yes") if measured else "not measured"


def _at_most(name, value, most, *, form="{:.2f}", must=True):
    shown = "not measured" if value is None else form.format(value)
    return Line(name, shown, f"<= {form.format(most)}", value is not None and value <= most, must)


def lines(rows, alpha):
    """All targets of the judge, in order."""
    ours = [row for row in rows if row.rule == OURS]
    oracle = [row for row in rows if row.rule == ORACLE]
    against, feeble = valid(ours, alpha), weak(ours, oracle)
    named = [row for row in ours if not family(row)]
    early = _share((row for row in named if row.scenario in PROVABLE), lambda row: row.early)
    false = _share((row for row in named if row.beyond and row.kind == "regression"), lambda row: row.promoted)
    few = (row for row in named if row.kind == "null" and row.scenario.startswith("low_"))
    quiet = _share(few, lambda row: row.promoted)
    total = score(ours)
    tested, compared = any(row.kind == "null" for row in ours), bool(oracle)
    return [
        Line("valid on every null", _verdict(against, tested), "yes", tested and not against),
        _at_most("score", total, 2.1),
        _at_most("score, goal", total, 1.7, must=False),
        _at_most("score of the study's regressions", study(ours), 2.1, must=False),
        _at_most("score of random regressions", held_out(ours), 2.1, must=False),
        Line("power >= 0.95 where the oracle has 0.99", _verdict(feeble, compared), "yes", compared and not feeble),
        _at_most("error onsets", mean_ratio(named, lambda row: row.scenario.startswith("onset_err")), 2.5),
        _at_most("latency onsets", mean_ratio(named, lambda row: row.scenario.startswith("onset_lat")), 4.0),
        Line(
            "same or better promoted early",
            "not measured" if early is None else f"{early:.1%}",
            ">= 95.0%",
            early is not None and early >= 0.95,
        ),
        _at_most("false promotions", false, 0.02, form="{:.1%}"),
        _at_most("promotions on 200 requests", quiet, alpha, form="{:.1%}"),
    ]
