"""Where an agent breaks: more and more users, until the load gate's rule no longer holds, then closer to that point."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from headgate.config.suite_schema import Suite
from headgate.gates.runner import HttpGateRunner
from headgate.gates.verdicts import LoadRule, judge_load

_HALVINGS = 3  # between the last that held and the first that did not


@dataclass(frozen=True, slots=True)
class Rung:
    """One number of users, held for a while."""

    users: int
    held: bool
    detail: str


def ladder(runner: HttpGateRunner, suite: Suite, rule: LoadRule, url: str, *, first: int, most: int) -> Iterator[Rung]:
    """Each rung as it is measured: doubled until one fails or `most` held, then halved in between three times.

    Raises Unavailable where the first one gets no connection; a later one that gets none has broken the agent.
    """
    held, broke, users = 0, None, first
    while broke is None:
        rung = _rung(runner, suite, rule, url, users, reached=held > 0)
        yield rung
        if not rung.held:
            broke = users
        elif users >= most:
            return
        else:
            held, users = users, min(most, users * 2)
    for _ in range(_HALVINGS):
        users = (held + broke) // 2
        if users in {held, broke} or not users:
            return
        rung = _rung(runner, suite, rule, url, users, reached=True)
        yield rung
        held, broke = (users, broke) if rung.held else (held, users)


def _rung(runner: HttpGateRunner, suite: Suite, rule: LoadRule, url: str, users: int, *, reached: bool) -> Rung:
    """At least two sessions of each user, or the rule's soak. `reached`: the agent was, before."""
    run = runner.load(suite, replace(rule, users=users, sessions=2 * users), url)
    if not reached:
        run.refuse_unreached(url)
    held, detail, _ = judge_load(rule, run.report)
    return Rung(users, held, detail)
