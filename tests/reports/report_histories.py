"""Ledgers as the controller writes them, for the ways in which a rollout can go: material for the tests of reports."""

from dataclasses import dataclass, field, replace

from headgate.core.codec import digest, to_data
from headgate.core.model import Answer, CriterionResult, Rollout, Verdict, Version
from headgate.core.plan import (
    AlarmSpec,
    Analysis,
    Criterion,
    Gate,
    Limit,
    Margin,
    Plan,
    Platform,
    Receiver,
    RollbackPolicy,
    Step,
    Strategy,
    Tier,
    Validation,
    WindowPhase,
)
from headgate.ports import Record

START = 1770537480.0  # 2026-02-08 07:58:00 UTC
ARN = "arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/coach_companion-0ZUOP04U5z"
ID = "coach-companion-20260208-1"
GUARDRAILS = (Margin("error", 0.01, ratio=False), Margin("latency_p95", 1.25, ratio=True))
CRITERIA = (
    Criterion(Tier.MUST, "error_rate", "<", 0.05, "< 5%"),
    Criterion(Tier.MUST, "alarms", "is", "ok", "ok"),
    Criterion(Tier.MUST, "incidents", "is", "none", "none"),
    Criterion(Tier.MUST, "cost_per_day", "<", 10.0, "< 10 USD"),
    Criterion(Tier.SHOULD, "p95", "<", 10.0, "< 10s"),
    Criterion(Tier.STRETCH, "uptime", ">=", 0.999, ">= 99.9%"),
)


def plan(strategy=Strategy.CANARY, speed=1.0):
    """Coach Companion's plan."""
    weights = (10.0, 50.0, 100.0) if strategy is Strategy.CANARY else (100.0,)
    steps = tuple(Step(w, 600.0, 200, 3600.0, GUARDRAILS) for w in weights)
    return Plan(
        agent="coach-companion",
        platform=Platform("local", (("source", "./agent"),)),
        traffic="gateway",
        gates=(
            Gate("smoke", "suites/smoke.yaml", "cases: []\n", "ab" * 32, 5, 5),
            Gate("load", "suites/load.yaml", "cases: []\n", "cd" * 32, sessions=100, success_rate=1.0, p95_s=90.0),
        ),
        strategy=strategy,
        steps=steps,
        rollback=RollbackPolicy(),
        analysis=Analysis(0.05, GUARDRAILS, ("tool_error",), (Limit("error", 0.25),)),
        validation=Validation((WindowPhase(14_400.0, 3600.0), WindowPhase(86_400.0, 14_400.0)), CRITERIA, speed),
        alarms=(
            AlarmSpec("error-rate", "error_rate", ">", 0.05, 300.0, 3, 2),
            AlarmSpec("latency", "p95", ">", 10.0, 300.0, 3, 2),
        ),
        usd_per_day=10.0,
        usd_per_month=300.0,
        notify=(Receiver("slack", "env:SLACK_URL", ("rollback", "incident")),),
    )


@dataclass
class Book:
    """A ledger in the making: `at` is the time of the next record."""

    plan: Plan
    at: float = START
    records: list[Record] = field(default_factory=list)
    phase: str = "planned"
    step: int = -1
    weight: float = 0.0
    epoch: int = 0

    @property
    def head(self):
        return self.records[-1].seq, self.records[-1].hash

    def add(self, kind, body, wait=0.0, rollout=ID):
        """One record, `wait` seconds after the one before it."""
        self.at += wait
        before = self.records[-1].hash if self.records else "0" * 64
        seq = len(self.records) + 1
        # not the store's hash: golden files should not change with every new member of a plan
        self.records.append(Record(seq, self.at, rollout, kind, body, before, digest([seq, kind, before])))
        return self.records[-1].id

    def decide(self, fact, to, reason, *effects, wait=0.0, **members):
        """A decision record; `fact` is (name, members)."""
        name, more = fact
        self.step, self.weight = members.get("step", self.step), members.get("weight", self.weight)
        body = {
            "fact": {"is": name, **more},
            "now": self.at + wait,
            "before": digest([self.phase, len(self.records)]),
            "after": digest([to, len(self.records)]),
            "from": self.phase,
            "to": to,
            "step": self.step,
            "weight": self.weight,
            "reason": reason,
            "effects": list(effects),
        }
        self.phase = to
        return self.add("decision", body, wait)

    def verify(self, effect, seconds):
        """The effect is read back `seconds` after it was asked for."""
        body = {
            "key": effect["key"],
            "is": effect["is"],
            "asked_at": self.at,
            "verified_at": self.at + seconds,
            "seconds": seconds,
            "detail": {},
        }
        return self.add("effect.verified", body, seconds)

    def traffic(self, weight, **more):
        self.epoch += 1
        key = f"{ID}/traffic/{self.epoch}"
        base = {"is": "SetTraffic", "key": key, "weight": weight, "epoch": self.epoch}
        return base | {"withdraw": False, "promote": False, "deadline": None} | more

    def pin(self, endpoint, version):
        key = f"{ID}/pin/{endpoint}/{self.epoch}"
        return {"is": "PinEndpoint", "key": key, "endpoint": endpoint, "version": version}


def begin(strategy=Strategy.CANARY, speed=1.0, reason="faster answers", assessed=True):
    """Registered, assessed, created, started."""
    book = Book(plan(strategy, speed))
    baseline = Version("1", "aa" * 32)
    registered = {"agent": "coach-companion", "arn": ARN, "version": "1", "digest": "aa" * 32}
    book.add("agent.registered", registered, rollout="")
    book.at += 86_400 * 2
    if assessed:
        claims = [
            {"claim": "no traffic splitting", "holds": False, "because": "the Headgate gateway splits new sessions"},
            {"claim": "single agent instance", "holds": False, "because": "2 versions answered at the same time"},
            {"claim": "warm standby costs nothing", "holds": None, "because": ""},
        ]
        strategies = [
            {"kind": "canary", "open": True, "missing": ""},
            {"kind": "blue-green", "open": True, "missing": ""},
            {"kind": "shadow", "open": False, "missing": "nothing mirrors sessions"},
        ]
        body = {"platform": "local", "claims": claims, "strategies": strategies, "recommended": "canary"}
        book.add("assessment", body, 5)
    rollout = Rollout(ID, "coach-companion", book.plan, "ee" * 32, "salt", "maria", reason, book.at + 60, baseline)
    body = {"rollout": to_data(rollout), "plan_path": "headgate.yaml", "plan_text": "version: 1\n", "arn": ARN}
    book.add("rollout.created", body, 60)
    book.add("lease.taken", {"holder": "host-1:4711", "term": 3}, 1)
    deploy = {"is": "DeployCandidate", "key": f"{ID}/deploy/0"}
    book.decide(("Started", {}), "gating", "started by maria", deploy)
    book.verify(deploy, 12.4)
    version = to_data(Version("2", "bb" * 32, "http://127.0.0.1:9102"))
    book.decide(("CandidateReady", {"version": version}), "gating", "candidate is version 2")
    return book


def gates(book, load=True):
    """Both gates; the second may fail, which ends the rollout."""
    cases = [{"name": f"case {i}", "passed": True, "detail": "", "seconds": 0.4} for i in range(5)]
    common = {"version": "2", "suite_digest": "ab" * 32}
    smoke = {"gate": "smoke", "passed": True, "detail": "5/5 passed", "cases": cases, "seconds": 2.1} | common
    book.add("evidence.gate", smoke, 2.1)
    fact = ("GateFinished", {"gate": "smoke", "passed": True, "detail": "5/5 passed", "evidence": []})
    book.decide(fact, "gating", "gate smoke passed: 5/5 passed")
    detail = "100 of 100 sessions, p95 1.4 s" if load else "85.7 % of 100 sessions, p95 4.2 s"
    gate = {"gate": "load", "passed": load, "detail": detail, "cases": [], "seconds": 48.0} | common
    book.add("evidence.gate", gate, 48)
    fact = ("GateFinished", {"gate": "load", "passed": load, "detail": detail, "evidence": []})
    if not load:
        retire = {"is": "RetireCandidate", "key": f"{ID}/retire"}
        book.decide(fact, "failed", f"gate load failed: {detail}", retire)
        return
    metrics = {
        "error_rate": {"value": 0.012, "n": 1240, "upper": 0.019},
        "p95": {"value": 1.31, "n": 1240, "upper": 1.4},
        "cost_per_day": {"value": 2.87, "n": 3600, "upper": None},
    }
    book.add("evidence.baseline", {"metrics": metrics, "window": [book.at - 3600, book.at]})
    behind = book.traffic(0.0)
    reason = f"gate load passed: {detail}; put behind the gateway at 0 %"
    book.decide(fact, "deploying", reason, behind)
    book.verify(behind, 0.31)


def step(book, index, why="put behind the gateway", pins=()):
    """The next weight, asked for and read back."""
    weight = book.plan.steps[index].weight
    asked = book.traffic(weight)
    reason = f"{why}; {weight:g} % of new sessions to the candidate"
    fact = ("TrafficVerified", {"weight": book.weight, "epoch": book.epoch - 1})
    book.decide(fact, "stepping", reason, asked, *pins, step=index, weight=weight)
    book.verify(asked, 0.42)
    for each in pins:
        book.verify(each, 1.7)


def look(book, answer, reason, n, *, rates=(0.011, 0.012), p95=(1.3, 1.34), evidence=0.4, wait=60.0, **more):
    """One look of the analysis; `n` sessions of the (baseline, candidate)."""
    verdict = Verdict(Answer(answer), reason, book.step, book.at + wait, *n, **more)
    spread = 2.0 / max(n[1], 1) ** 0.5
    error = {
        "metric": "error",
        "unit": "share",
        "baseline": rates[0],
        "candidate": rates[1],
        "n_baseline": n[0],
        "n_candidate": n[1],
        "evidence": evidence,
        "threshold": 25.0,
        "margin": 0.05,
        "margin_evidence": evidence / 2,
        "margin_proven": answer == "PASS",
        "harm_is_ratio": False,
        "harm_lower": rates[1] - rates[0] - spread,
        "harm_upper": rates[1] - rates[0] + spread,
    }
    latency = error | {
        "metric": "latency_p95",
        "unit": "ms",
        "baseline": p95[0] * 1000,
        "candidate": p95[1] * 1000,
        "evidence": evidence / 3,
        "harm_is_ratio": True,
        "harm_lower": p95[1] / p95[0] / (1 + spread),
        "harm_upper": p95[1] / p95[0] * (1 + spread),
    }
    together = {"evidence": evidence * 1.1, "threshold": 25.0}
    data = {"metrics": [error, latency], "window": {"from": book.at, "to": book.at + wait}} | together
    return book.add("evidence.look", {"step": book.step, "verdict": to_data(verdict), "data": data}, wait)


def bake(book, per_look, rounds=6):
    """Looks at the current step that end in a PASS."""
    for i in range(1, rounds):
        n = (per_look[0] * i, per_look[1] * i)
        look(
            book,
            "INCONCLUSIVE",
            f"{n[1]} sessions do not exclude harm beyond the margins yet",
            n,
            evidence=1 + 0.1 * i,
            wait=120,
        )
    n = (per_look[0] * rounds, per_look[1] * rounds)
    look(book, "PASS", "harm beyond the margins is excluded", n, evidence=0.2, wait=120)


def results(rate=0.011, alarms="OK", breached=False, cost=3.1):
    """The criteria of one check."""
    bad = rate >= 0.05
    words = f"{rate:.2%} of 820 requests"
    return [
        CriterionResult("must", "error_rate", "< 5%", not bad, words, rate, rate + 0.008, 820, breached),
        _alarms(alarms),
        CriterionResult("must", "incidents", "none", True, "0 incidents opened", 0.0),
        CriterionResult("must", "cost_per_day", "< 10 USD", True, f"{cost:.2f} USD per day", cost, None, 600),
        CriterionResult("should", "p95", "< 10s", True, "p95 1.36 s of 820 requests", 1.36, 1.45, 820),
        CriterionResult(
            "stretch", "uptime", ">= 99.9%", None, "not measured: 9 of 9 checks; 2995 are needed", 1.0, 0.7, 9
        ),
    ]


def _alarms(state):
    if state == "OK":
        return CriterionResult("must", "alarms", "ok", True, "all 2 alarms are OK", 0.0, None, 2)
    return CriterionResult(
        "must", "alarms", "ok", None, "not measured: without data: error-rate; the others are OK", n=2
    )


def check(book, hours, wait, **measured):
    """One check of the window, `hours` of window time after its beginning."""
    number = sum(1 for r in book.records if r.kind == "evidence.window") + 1
    found = results(**measured)
    states = {"error-rate": measured.get("alarms", "OK"), "latency": "OK"}
    body = {
        "check": number,
        "phase": 0 if hours < 4 else 1 if hours < 24 else 2,
        "window_s": hours * 3600.0,
        "real_s": hours * 3600.0 / book.plan.validation.speed,
        "results": [to_data(r) for r in found],
        "alarms": states,
        "status": "READY",
    }
    book.add("evidence.window", body, wait)
    return ("WindowChecked", {"results": body["results"], "evidence": []})


def window(book, until=24):
    """The validation window with a check at each hour of (1, 2, 3, 4, 8, ...)."""
    book.decide(("Judged", {}), "validating", "PASS at 100 %: no harm; the validation window begins")
    fact, last = ("Ticked", {}), 0
    for hours in (1, 2, 3, 4, 8, 12, 16, 20, 24):
        if hours <= until:
            fact = check(book, hours, (hours - last) * 3600 / book.plan.validation.speed)
            last = hours
    return fact


def promote(book, fact, reason="the window ended with every must met; promote", pinned=True):
    """Promotion, handoff, end."""
    asked = book.traffic(100.0, promote=True)
    pins = (book.pin("previous", "1"), book.pin("production", "2")) if pinned else ()
    book.decide(fact, "handing_over", reason, *pins, asked)
    for each in (*pins, asked):
        book.verify(each, 0.6)
    folder = f"reports/{ID}/handoff"
    files = [f"{folder}/{n}.md" for n in ("monitoring", "overview", "proof", "recovery", "release", "rollback")]
    book.add("handoff.written", {"path": files[1], "digest": "f0" * 32, "files": files}, 1)
    book.decide(("HandoffWritten", {"path": files[1], "digest": "f0" * 32}), "completed", "promoted and handed over")
    book.add("exposure.total", {"sessions": 4210, "turns": 16840, "failed_sessions": 47, "closed_sessions": 4190})
    promoted = {"agent": "coach-companion", "version": "2", "digest": "bb" * 32, "previous": "1"}
    book.add("agent.promoted", promoted)


def take_back(book, fact, by, reason, debt=(18, 7, 0)):
    """A rollback until nothing is left on the candidate."""
    asked = book.traffic(0.0, withdraw=True, deadline=book.at + 900)
    home = book.pin("production", "1")
    decided = book.at
    incident = {"is": "OpenIncident", "key": f"{ID}/incident/{book.epoch}", "severity": "P2", "title": reason}
    book.decide(fact, "rolling_back", reason, asked, home, incident, weight=0.0)
    severity = "P2" if by == "headgate" else "P3"
    name = f"INC-{ID}-1"
    title = f"rollback of {ID}: {reason}"
    book.add("incident.opened", {"incident": name, "severity": severity, "title": title, "at": book.at})
    book.verify(asked, 0.18)
    cut_over = book.at
    book.verify(home, 0.9)
    moved = {"count": 3, "policy": "drain", "from": "2", "to": "1", "sessions": ["a1", "b2", "c3"], "last_seq": 90}
    for sessions in debt:
        book.add("exposure.debt", {"sessions": sessions, "oldest_s": sessions * 11.0}, 45)
    book.add("sessions.moved", moved)
    if debt[-1]:
        return
    book.decide(("CandidateRetired", {}), "rolled_back", "rolled back to version 1")
    book.add("exposure.total", {"sessions": 61, "turns": 190, "failed_sessions": 22, "closed_sessions": 61})
    times = {"detected_at": decided, "decided_at": decided, "cut_over_at": cut_over, "drained_at": book.at}
    book.add("incident.times", {"incident": name, "fault_at": decided - 180, **times})


def canary_promoted(speed=1.0):
    """10 -> 50 -> 100, a full window, promotion, handoff."""
    book = begin(speed=speed)
    gates(book)
    step(book, 0)
    bake(book, (310, 36))
    step(book, 1, "PASS at 10 %: harm beyond the margins is excluded")
    bake(book, (170, 180))
    step(book, 2, "PASS at 50 %: harm beyond the margins is excluded")
    bake(book, (4, 350))
    fact = window(book)
    promote(book, fact)
    return book


def canary_rolled_back():
    """A FAIL at 10 %: found by the analysis, taken back without anybody touching a key."""
    book = begin(reason="new tools")
    gates(book)
    step(book, 0)
    look(book, "INCONCLUSIVE", "12 of 200 sessions", (110, 12), rates=(0.01, 0.16), p95=(1.3, 2.1), evidence=2.4)
    look(book, "INCONCLUSIVE", "31 of 200 sessions", (280, 31), rates=(0.011, 0.26), p95=(1.3, 2.6), evidence=11.0)
    book.add("alarm", {"name": "error-rate", "variant": "candidate", "from": "OK", "to": "ALARM"}, 5)
    reason = "error: 36 % of 61 sessions against 1.1 % of 540"
    look(book, "FAIL", reason, (540, 61), rates=(0.011, 0.36), p95=(1.3, 2.9), evidence=310.0)
    take_back(book, ("Judged", {}), "headgate", reason)
    return book


def running():
    """At 50 %, the phases after it still open."""
    book = begin()
    gates(book)
    step(book, 0)
    bake(book, (310, 36))
    step(book, 1, "PASS at 10 %: harm beyond the margins is excluded")
    look(book, "INCONCLUSIVE", "90 of 200 sessions", (95, 90))
    return book


def gate_failed():
    """The load gate fails: no session meets the candidate."""
    book = begin()
    gates(book, load=False)
    return book


def all_at_once():
    """100 % at once, accelerated window, promoted, never assessed."""
    book = begin(Strategy.ALL_AT_ONCE, speed=3600.0, assessed=False)
    gates(book)
    step(book, 0, pins=(book.pin("previous", "1"), book.pin("production", "2")))
    fact = window(book)
    promote(book, fact, pinned=False)
    return book


def blue_green():
    """One switch, in the window, an alarm without data."""
    book = begin(Strategy.BLUE_GREEN)
    gates(book)
    step(book, 0)
    book.decide(("Judged", {}), "validating", "PASS at 100 %: no harm; the validation window begins")
    check(book, 1, 3600)
    check(book, 2, 3600, alarms="INSUFFICIENT_DATA")
    return book


def aborted():
    """A person aborts at 50 %; sessions are still pinned to the candidate."""
    book = running()
    book.add("command", {"verb": "abort", "by": "ines", "reason": "complaint #4711 of a customer"}, 30)
    fact = ("AbortAsked", {"by": "ines", "reason": "complaint #4711 of a customer"})
    take_back(book, fact, "ines", "abort by ines: complaint #4711 of a customer", debt=(18, 7))
    return book


def held():
    """Automation could not decide: both variants are bad, a person is called."""
    book = running()
    look(book, "INCONCLUSIVE", "both variants fail: a common cause", (180, 170), rates=(0.3, 0.31), common_cause=True)
    incident = {"is": "OpenIncident", "key": f"{ID}/incident/3", "severity": "P2", "title": "both variants fail"}
    book.decide(("Judged", {}), "paused", "held by headgate: both variants fail: a common cause", incident)
    book.add("incident.opened", {"incident": f"INC-{ID}-1", "severity": "P2", "title": "both variants fail"})
    return book


def created_only():
    """Nothing but the creation."""
    book = begin()
    return replace(book, records=[r for r in book.records if r.kind in {"agent.registered", "rollout.created"}])


SCENARIOS = {
    "canary-promoted": canary_promoted,
    "canary-rolled-back": canary_rolled_back,
    "running": running,
    "gate-failed": gate_failed,
    "all-at-once": all_at_once,
    "blue-green": blue_green,
    "aborted": aborted,
    "held": held,
    "created-only": created_only,
}
