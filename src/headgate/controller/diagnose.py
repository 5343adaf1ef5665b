"""The checks of the runbooks, run for real: what platform, gateway, store and ledger say now, each in one line.

A check answers ok, bad, or "not measured" where it could not look; it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from headgate.controller.queries import numbers
from headgate.core.codec import from_data, to_data
from headgate.core.effects import PRODUCTION
from headgate.core.model import Rollout, Version
from headgate.core.plan import Platform as PlanPlatform
from headgate.errors import PortError
from headgate.ports import Agent, Data, Platform, Store, Traffic
from headgate.reports import words
from headgate.reports.incidents import Incident
from headgate.reports.runbooks import Runbook
from headgate.stats.observations import Second

BEFORE_S = 900.0
_WORSE = 1.5  # a candidate that needs so much more than the baseline is told as bad
_REFUSED = ("403", "401", "denied", "forbidden", "unauthor", "credential", "permission")


class Ping(NamedTuple):
    answers: bool
    seconds: float
    detail: str


@dataclass(frozen=True, slots=True)
class Scene:
    """What the checks look at. `home_problems`: what is wrong with the state directory, in words."""

    store: Store
    platform: Platform
    traffic: Traffic
    ping: Callable[[str], Ping]
    home_problems: Callable[[], list[str]]
    agent: Agent
    rollout: Rollout | None
    now: float

    def versions(self) -> dict[str, Version]:
        """baseline, and the candidate where a rollout has one."""
        found = {"baseline": self.rollout.baseline if self.rollout else self.agent.baseline}
        if self.rollout and self.rollout.candidate:
            found["candidate"] = self.rollout.candidate
        return found

    def seconds(self) -> list[Second]:
        return self.store.seconds(self.agent.name, since=self.now - BEFORE_S)

    def measured(self) -> dict[str, Data]:
        """Variant -> its numbers of the last quarter of an hour; those without a turn are left out."""
        rows = self.seconds()
        found = {variant: numbers(rows, version.number) for variant, version in self.versions().items()}
        return {variant: n for variant, n in found.items() if n["requests"]}


Answer = tuple[str, str]


def run(book: Runbook, scene: Scene) -> list[Data]:
    """Every check of the runbook: {"check", "answer", "detail"}."""
    return [_run(name, scene) for name in book.checks]


def _run(name: str, scene: Scene) -> Data:
    try:
        answer, detail = CHECKS[name](scene)
    except PortError as error:
        answer, detail = "not measured", error.message
    return {"check": name, "answer": answer, "detail": detail}


def entry_body(incident: Incident, book: Runbook, by: str, checks: list[Data]) -> Data:
    return {"incident": incident.id, "runbook": book.name, "by": by, "checks": checks}


def _judged(problems: list[str], told: list[str]) -> Answer:
    """bad if there are problems; not measured if there is nothing to tell."""
    if not told:
        return "not measured", "no turn in the last quarter of an hour"
    return ("bad", "; ".join([*problems, *told])) if problems else ("ok", "; ".join(told))


def _gateway(scene: Scene) -> Answer:
    state = scene.traffic.read(scene.agent.name)
    said = f"version {state.baseline} serves, {state.weight:g} % of new sessions to {state.candidate or 'no candidate'}"
    if state.forced_by:
        return "bad", f"{said}; forced down by {state.forced_by}: {state.forced_reason}"
    return "ok", said


def _status(scene: Scene) -> Answer:
    states = {v: scene.platform.version(scene.agent.name, n.number) for v, n in scene.versions().items()}
    told = [
        f"{v} (version {s.version.number}) is {s.status}{f': {s.reason}' if s.reason else ''}"
        for v, s in states.items()
    ]
    bad = states["baseline"].status != "READY" or any(
        s.status != "READY" and scene.rollout and scene.rollout.weight > 0 for s in states.values()
    )
    return "bad" if bad else "ok", "; ".join(told)


def _ping(scene: Scene) -> Answer:
    told, bad = [], False
    for variant, version in scene.versions().items():
        url = scene.platform.version(scene.agent.name, version.number).version.url
        if not url:
            told.append(f"{variant}: it has no address of its own")
            continue
        answer = scene.ping(url)
        bad = bad or not answer.answers
        took = f"in {answer.seconds * 1000:.0f} ms" if answer.answers else "not"
        told.append(f"{variant} answers {took}: {answer.detail}")
    if not any("answers" in each for each in told):
        return "not measured", "; ".join(told)
    return "bad" if bad else "ok", "; ".join(told)


def _endpoints(scene: Scene) -> Answer:
    found = scene.platform.find(scene.agent.name)
    if found is None:
        return "bad", "the platform has no such agent"
    told = "; ".join(f"{name} is on {live or 'nothing'}" for name, (live, _, _) in sorted(found.endpoints.items()))
    live = found.endpoints.get(PRODUCTION, ("", "", ""))[0]
    known = {scene.agent.baseline.number, *(v.number for v in scene.versions().values())}
    return ("ok" if live in known else "bad"), told


def _traffic(scene: Scene) -> Answer:
    rows = [s for s in scene.store.seconds(scene.agent.name, since=scene.now - 3600.0) if s.requests]
    if not rows:
        return "bad", "no invocation in the last hour"
    turns, sessions = sum(s.requests for s in rows), sum(s.sessions for s in rows)
    ago = max(0.0, scene.now - rows[-1].t)
    return "ok", f"{turns} turns and {sessions} new sessions in the last hour, the last {words.duration(ago)} ago"


def _errors(scene: Scene) -> Answer:
    told, bad = [], []
    for variant, n in scene.measured().items():
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(n["errors"].items())) or "no error"
        told.append(f"{variant}: {kinds} in {n['requests']} turns ({n['error_rate']:.1%})")
        if n["error_rate"] > 0.05:
            bad.append(f"{variant} fails above 5 %")
    return _judged(bad, told)


def _compared(scene: Scene, name: str, member: str, show: Callable[[float], str]) -> Answer:
    """One number of both variants, bad where the candidate's is much more than the baseline's."""
    found = {v: n[member] for v, n in scene.measured().items() if n[member] is not None}
    told = [f"{variant}: {name} {show(value)}" for variant, value in found.items()]
    base, mine = found.get("baseline"), found.get("candidate")
    worse = base is not None and mine is not None and base > 0 and mine > _WORSE * base
    return _judged(
        [f"the candidate's {name} is {mine / base:.1f} times the baseline's"] if worse and base and mine else [], told
    )


def _latency(scene: Scene) -> Answer:
    return _compared(scene, "p95", "p95_ms", lambda ms: words.duration(ms / 1000))


def _cost(scene: Scene) -> Answer:
    found = {
        v: {**n, "per_session": n["cost_usd"] / n["sessions"]} for v, n in scene.measured().items() if n["sessions"]
    }
    told = [
        f"{v}: {n['cost_usd']:.4f} USD for {n['sessions']} new sessions, {n['tokens']} tokens" for v, n in found.items()
    ]
    spent = sum(s.cost_usd for s in scene.store.seconds(scene.agent.name, since=scene.now - 86400.0))
    plan = scene.rollout.plan if scene.rollout else scene.agent.plan
    limit = plan.usd_per_day if plan else None
    told.append(f"{spent:.4f} USD in the last day, {'no budget' if limit is None else f'of {limit:g} USD'}")
    problems = ["the day's budget is spent"] if limit is not None and spent > limit else []
    base, mine = found.get("baseline"), found.get("candidate")
    if base and mine and base["per_session"] > 0 and mine["per_session"] > _WORSE * base["per_session"]:
        problems.append(
            f"a candidate's session costs {mine['per_session'] / base['per_session']:.1f} times a baseline's"
        )
    return _judged(problems, told)


def _memory(scene: Scene) -> Answer:
    sizes = {v: scene.platform.version(scene.agent.name, n.number).rss_bytes for v, n in scene.versions().items()}
    told = [f"{v}: {size / 1e6:.0f} MB" for v, size in sizes.items() if size is not None]
    if not told:
        return "not measured", "the platform does not tell the memory of a version's process"
    base, mine = sizes.get("baseline"), sizes.get("candidate")
    worse = [f"the candidate holds {mine / base:.1f} times as much"] if base and mine and mine > _WORSE * base else []
    return _judged(worse, told)


def _restarts(scene: Scene) -> Answer:
    counts = {v: scene.platform.version(scene.agent.name, n.number).restarts for v, n in scene.versions().items()}
    told = [f"{v}: {count} restarts" for v, count in counts.items() if count is not None]
    if not told:
        return "not measured", "the platform does not tell restarts"
    return _judged([f"{v} was restarted" for v, count in counts.items() if count], told)


def _configuration(scene: Scene) -> Answer:
    """What differs between baseline and candidate, and whether each runs as it was recorded."""
    told, problems = [], []
    for variant, version in scene.versions().items():
        now = scene.platform.version(scene.agent.name, version.number).version.digest
        same = now == version.digest
        told.append(f"{variant}: version {version.number}, digest {now[:12]}")
        if not same:
            problems.append(f"{variant} was recorded with digest {version.digest[:12]}")
    if scene.rollout:
        told.append(_difference(scene))
    return _judged(problems, told)


def _difference(scene: Scene) -> str:
    """Names of settings that the candidate has otherwise; values may be secrets."""
    served = _served_before(scene)
    if served is None or scene.rollout is None:
        return "the baseline's settings: not recorded"
    now, before = dict(scene.rollout.plan.platform.settings), dict(served.settings)
    changed = sorted(name for name in {*now, *before} if now.get(name) != before.get(name))
    return f"settings that differ: {', '.join(changed) or 'none, so only the code may'}"


def _served_before(scene: Scene) -> PlanPlatform | None:
    """The platform block of the plan that the baseline was released or served with."""
    assert scene.rollout is not None
    for record in reversed(scene.store.read(kinds=("rollout.created",))):
        rollout = record.body["rollout"]
        if (
            rollout["agent"] == scene.agent.name
            and record.rollout != scene.rollout.id
            and record.at < scene.rollout.created_at
        ):
            found: PlanPlatform = from_data(PlanPlatform, rollout["plan"]["platform"])
            return found
    plan = scene.agent.plan
    return plan.platform if plan and to_data(plan) != to_data(scene.rollout.plan) else None


def _permissions(scene: Scene) -> Answer:
    problems = scene.home_problems()
    return ("bad", "; ".join(problems)) if problems else ("ok", "the state directory is private and can be written")


def _refusals(scene: Scene) -> Answer:
    """What the platform or the gateway refused on the ledger, and refusals among the errors of turns."""
    mine = scene.rollout.id if scene.rollout else ""
    failing = scene.store.read(mine, kinds=("effect.failing", "agent.refused"))
    told = [f"{r.id}: {r.body.get('error') or r.body.get('reason')}" for r in failing]
    refused = [each for each in told if any(word in each.lower() for word in _REFUSED)]
    kinds = {k for n in scene.measured().values() for k in n["errors"] if any(word in k.lower() for word in _REFUSED)}
    if refused or kinds:
        return "bad", "; ".join([*refused, *sorted(kinds)])
    return "ok", f"nothing was refused; {len(told)} other failures of effects"


CHECKS: Mapping[str, Callable[[Scene], Answer]] = {
    "gateway": _gateway,
    "status": _status,
    "ping": _ping,
    "endpoints": _endpoints,
    "traffic": _traffic,
    "errors": _errors,
    "latency": _latency,
    "cost": _cost,
    "memory": _memory,
    "restarts": _restarts,
    "configuration": _configuration,
    "permissions": _permissions,
    "refusals": _refusals,
}
