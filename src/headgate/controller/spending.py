"""Budgets: what was spent, what will be at this rate, and the facts about those that are crossed.

Days and months are those of UTC. A projection goes on at the rate of the last hour (of a month: of the last day), and
is made only where enough of that was measured. Money is real money: a rehearsal does not scale it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from headgate.core.facts import BudgetCrossed
from headgate.core.model import Rollout
from headgate.core.plan import Budget
from headgate.core.window import elapsed_s, end_s
from headgate.ports import Data, Entry, Spent, Store

EVERY_S = 30.0  # how often budgets are looked at (real time)

_HOUR_S, _DAY_S = 3600.0, 86_400.0
_LEAST_SHARE = 1 / 6  # of the time that a rate is taken over: ten minutes of an hour


@dataclass(frozen=True, slots=True)
class Span:
    """What a budget is about: its name in facts, from when to when (Unix s; None: not known), of which version."""

    name: str
    since: float
    until: float | None
    version: str = ""
    rate_s: float = _HOUR_S


@dataclass(frozen=True, slots=True)
class Standing:
    """One budget at one moment: amounts in USD and in tokens. None: not measured."""

    budget: Budget
    span: Span
    usd: float | None
    tokens: int | None
    projected_usd: float | None = None
    projected_tokens: float | None = None

    def data(self) -> Data:
        """For the ledger."""
        return {
            "per": self.budget.per,
            "span": self.span.name,
            "usd": None if self.usd is None else round(self.usd, 6),
            "usd_limit": self.budget.usd,
            "usd_projected": None if self.projected_usd is None else round(self.projected_usd, 6),
            "tokens": self.tokens,
            "tokens_limit": self.budget.tokens,
            "tokens_projected": None if self.projected_tokens is None else round(self.projected_tokens),
        }


class Spending:
    """The budgets of one rollout, or of an agent that no rollout drives. What was spent long ago is summed once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._looked_at = float("-inf")
        self._settled: dict[tuple[str, str], tuple[float, Spent]] = {}

    def look(self, rollout: Rollout, now: float) -> list[tuple[BudgetCrossed, Entry]]:
        """Crossings that the core has not heard of, each with its entry of the ledger; at most every 30 s."""
        if not rollout.plan.budgets or 0.0 <= now - self._looked_at < EVERY_S:
            return []
        self._looked_at = now
        return [
            (fact, Entry("budget.crossed", {**standing.data(), "name": fact.name, "detail": fact.detail}, rollout.id))
            for standing in self.standings(rollout, now)
            for fact in crossings(standing)
            if fact.name not in rollout.crossed
        ]

    def standings(self, rollout: Rollout, now: float) -> list[Standing]:
        """How each budget of the plan stands."""
        return [self._standing(budget, rollout, now) for budget in rollout.plan.budgets]

    def of_agent(self, agent: str, budgets: Sequence[Budget], now: float) -> list[Standing]:
        """How the budgets of a day and of a month stand, which are the agent's whoever drives it."""
        spans = ((budget, calendar(budget.per, now)) for budget in budgets)
        return [self._measured(budget, span, agent, now) for budget, span in spans if span is not None]

    def _standing(self, budget: Budget, rollout: Rollout, now: float) -> Standing:
        span = calendar(budget.per, now) or _span(budget, rollout, now)
        if budget.per == "evaluation":
            return _evaluation(budget, span, self._store, rollout)
        return self._measured(budget, span, rollout.agent, now)

    def _measured(self, budget: Budget, span: Span, agent: str, now: float) -> Standing:
        spent = self._spent(agent, span, now)
        if spent.requests == 0 or (spent.usd <= 0 and spent.tokens == 0):  # nobody reported what it used
            return Standing(budget, span, None, None)
        usd, tokens = spent.usd, spent.tokens
        rate = self._rate(agent, span, now)
        if rate is None or span.until is None:
            return Standing(budget, span, usd, tokens)
        left = max(0.0, span.until - now)
        return Standing(budget, span, usd, tokens, usd + rate[0] * left, tokens + rate[1] * left)

    def _spent(self, agent: str, span: Span, now: float) -> Spent:
        """What is older than two minutes changes no more; the rest is summed anew each time."""
        key, still = (span.name, span.version), now - 120.0
        until, sure = self._settled.get(key, (span.since, Spent()))
        if until < still:
            sure = _plus(sure, self._store.spent(agent, since=until, until=still, version=span.version))
            until = still
            self._settled[key] = (until, sure)
        return _plus(sure, self._store.spent(agent, since=until, until=now + 1.0, version=span.version))

    def _rate(self, agent: str, span: Span, now: float) -> tuple[float, float] | None:
        """(USD, tokens) per second of late; None where too little was measured."""
        since = max(now - span.rate_s, span.since if span.version else 0.0)
        late = self._store.spent(agent, since=since, until=now, version=span.version)
        seconds = 0.0 if late.first_at is None else now - late.first_at
        if seconds < span.rate_s * _LEAST_SHARE:
            return None
        return late.usd / seconds, late.tokens / seconds


def calendar(per: str, now: float) -> Span | None:
    """The day or the month (UTC) that a budget is about; None where it is about a rollout."""
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if per == "day":
        return Span(f"day/{day:%Y-%m-%d}", day.timestamp(), day.timestamp() + _DAY_S)
    if per == "month":
        first = day.replace(day=1)
        following = (first + timedelta(days=32)).replace(day=1)
        return Span(f"month/{first:%Y-%m}", first.timestamp(), following.timestamp(), rate_s=_DAY_S)
    return None


def _span(budget: Budget, rollout: Rollout, now: float) -> Span:
    number = rollout.candidate.number if rollout.candidate else "-"
    if budget.per == "rollout":
        return Span("rollout", rollout.created_at, _ends(rollout, now), number)
    return Span("evaluation", rollout.created_at, None, number)


def _ends(rollout: Rollout, now: float) -> float | None:
    """When the rollout is over if all goes well; None before its window, for nobody knows how long a step takes."""
    if rollout.window is None:
        return None
    return now + max(0.0, end_s(rollout) - elapsed_s(rollout, now)) / rollout.plan.validation.speed


def _evaluation(budget: Budget, span: Span, store: Store, rollout: Rollout) -> Standing:
    """What the agent told that it used in the gates' conversations, replays among them, at the plan's prices; and what
    judges cost, of gates and of scored sessions, at theirs. Untold is not measured.
    """
    records = store.read(rollout.id, kinds=("evidence.gate", "evidence.undecided", "evaluation.judged"))
    used = [u for r in records if r.kind != "evaluation.judged" and (u := r.body.get("usage"))]
    judged = [r.body if r.kind == "evaluation.judged" else r.body.get("measures", {}).get("judging") for r in records]
    bills = [bill for bill in judged if bill and bill["told"]]
    if not used and not bills:
        return Standing(budget, span, None, None)
    plan = rollout.plan
    read, wrote = (sum(int(each.get(name) or 0) for each in used) for name in ("input_tokens", "output_tokens"))
    usd = (read * plan.usd_per_million_input + wrote * plan.usd_per_million_output) / 1e6
    usd += sum(float(bill["usd"]) for bill in bills)
    tokens = read + wrote + sum(int(bill["input_tokens"]) + int(bill["output_tokens"]) for bill in bills)
    return Standing(budget, span, usd if usd > 0 else None, tokens)


def crossings(standing: Standing) -> Iterator[BudgetCrossed]:
    budget, name = standing.budget, standing.span.name
    for unit, limit, spent, projected in (
        ("USD", budget.usd, standing.usd, standing.projected_usd),
        ("tokens", budget.tokens, standing.tokens, standing.projected_tokens),
    ):
        if limit is None:
            continue
        if spent is not None and spent > limit:
            said = f"budget per {budget.per}: {_amount(spent, unit)} spent of {_amount(limit, unit)}"
            yield BudgetCrossed(f"{name}/{unit}/spent", said, budget.spent)
        elif projected is not None and spent is not None and projected > limit:
            said = f"budget per {budget.per}: {_amount(projected, unit)} projected of {_amount(limit, unit)}"
            yield BudgetCrossed(f"{name}/{unit}/projected", f"{said} ({_amount(spent, unit)} spent)", budget.projected)


def _amount(value: float, unit: str) -> str:
    return f"{value:.2f} USD" if unit == "USD" else f"{value:,.0f} tokens"


def _plus(one: Spent, other: Spent) -> Spent:
    first = min((at for at in (one.first_at, other.first_at) if at is not None), default=None)
    return Spent(one.usd + other.usd, one.tokens + other.tokens, one.requests + other.requests, first)
