"""Outcomes -> rows: how often each rule was wrong, how much the candidate had served compared with the bound."""

from dataclasses import asdict, dataclass
from functools import cache
from math import exp, fsum, lgamma, log, log1p, sqrt

from benchmarks.decisions.bounds import bound
from benchmarks.decisions.laws import harm
from benchmarks.decisions.play import scenario_of
from benchmarks.decisions.rules import MARGINS, PROMOTE, ROLLBACK


def _mass(i, n, p):
    return exp(lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) + i * log(p) + (n - i) * log1p(-p))


def above(k, n, p):
    """P(X >= k), X binomial of n and p: the exact one-sided test of a rate above p."""
    return fsum(_mass(i, n, p) for i in range(k, n + 1))


def below(k, n, p):
    """P(X <= k)."""
    return fsum(_mass(i, n, p) for i in range(k + 1))


@dataclass(frozen=True)
class Row:
    """One rule in one scenario. Rates are of `n` rollouts; `exposed` is a mean of candidate requests, `ratio` that
    over the bound, `error` its standard error. `wrong` counts rollbacks of a candidate that was no worse (yet).
    """

    rule: str
    scenario: str
    kind: str
    n: int
    wrong: int
    found: int
    promoted: int
    early: int
    before: int
    exposed: float
    ratio: float | None
    error: float | None
    bound: float | None
    beyond: bool

    def as_dict(self):
        """For JSON."""
        return asdict(self)


@cache
def beyond_margin(name):
    """Whether the candidate of this scenario ends up worse than some margin allows: then a promotion is false."""
    scenario = scenario_of(name)
    last = scenario.segments[-1]
    if scenario.kind == "null":
        return False
    done = harm(last.baseline, last.candidate)
    return any(done[key] >= limit * (1 - 1e-9) for key, limit in MARGINS.items())


@cache
def bound_of(name, alpha):
    """The scenario's bound; None for a null."""
    scenario = scenario_of(name)
    return None if scenario.kind == "null" else bound(scenario, alpha).exposed


def row(rule, name, outcomes, alpha):
    """The row of one rule in one scenario."""
    kind, least = scenario_of(name).kind, bound_of(name, alpha)
    n = len(outcomes)
    back = [each for each in outcomes if each.action == ROLLBACK]
    wrong = len(back) if kind == "null" else sum(each.too_soon for each in back)
    # promoted for good before the onset, or rolled back before it: that says nothing about what came later
    said = [each for each in outcomes if not each.too_soon and not (each.before and each.action != ROLLBACK)]
    exposed = [each.exposed for each in said]
    mean = sum(exposed) / len(exposed) if exposed else float("nan")
    spread = sqrt(sum((x - mean) ** 2 for x in exposed) / max(1, len(exposed) - 1) / max(1, len(exposed)))
    promoted = [each for each in outcomes if each.action == PROMOTE]
    return Row(
        rule=rule,
        scenario=name,
        kind=kind,
        n=n,
        wrong=wrong,
        found=len(back) - wrong,
        promoted=len(promoted),
        early=sum(each.early for each in promoted),
        before=sum(each.before and each.action != ROLLBACK for each in outcomes),
        exposed=mean,
        ratio=mean / least if least and exposed else None,
        error=spread / least if least and exposed else None,
        bound=least,
        beyond=beyond_margin(name),
    )


def rows(found, alpha):
    """Every row of {(rule, scenario): outcomes}."""
    return [row(rule, name, outcomes, alpha) for (rule, name), outcomes in found.items()]


def geometric_mean(values):
    """Of positive numbers; None of none."""
    values = [value for value in values if value]
    return exp(sum(map(log, values)) / len(values)) if values else None


def mean_ratio(some, select):
    """Geometric mean of the ratios of the selected rows."""
    return geometric_mean([each.ratio for each in some if select(each) and each.ratio])
