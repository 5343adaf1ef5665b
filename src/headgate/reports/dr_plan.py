"""The plan for disasters: what can fail, what then happens, and what the drills measured of it."""

from __future__ import annotations

from headgate.reports import model as m
from headgate.reports import words
from headgate.reports.document import (
    Block,
    Cited,
    Code,
    Document,
    Fields,
    Item,
    Line,
    Missing,
    Plain,
    Table,
    bullets,
    field,
    item,
    line,
    paragraph,
    section,
)
from headgate.reports.evidence import with_notes
from headgate.reports.history import History
from headgate.reports.telling import of_created, recovery, tick

REPOINT = "agentcore-repoint"  # of agents on AgentCore: its steps are told one by one

# drill -> (what fails, what happens then)
SCENARIOS = {
    "rollback": (
        "The candidate hurts users",
        "headgate rollback takes the weight down at the gateway, then the rollout is rolled back",
    ),
    "controller-killed": (
        "The controller dies",
        "the gateway serves on at its last weight; the next controller takes the lease and goes on where it was",
    ),
    "gateway-alone": (
        "No controller and no store",
        "the gateway serves on, no weight rises, and a person takes the weight down at its admin address",
    ),
    "gateway-killed": (
        "The gateway dies",
        "it is started again with its policy and its pins; sessions get no answer until then",
    ),
}


def dr_plan_report(history: History, head: tuple[int, str], now: float) -> Document:
    """The plan for the agent of this rollout; `head` is the ledger's (count, hash) at `now` (Unix s)."""
    plan = history.plan
    document = Document(
        "dr-plan",
        line("Disaster Recovery Plan - ", of_created(history, history.agent)),
        (
            Fields(
                (
                    field("Agent", of_created(history, history.agent)),
                    field("Owner", of_created(history, plan.handoff_to)),
                    field("Target for recovery (RTO)", of_created(history, words.duration(plan.rto_s))),
                    field("Target for data loss (RPO)", of_created(history, words.duration(plan.rpo_s))),
                    field("Rollback of this rollout", line(recovery(history))),
                )
            ),
            paragraph(
                "A target is what was promised; measured is what a drill saw. A drill that was not run proves nothing."
            ),
        ),
        (
            section("What Can Fail, and What Then", _scenarios()),
            section("What the Drills Measured", _measured(history), bullets(*validated(history)), *_repointed(history)),
            section(
                "Run the Drills",
                Code("headgate drill list\nheadgate drill run all"),
                paragraph("They run in a Headgate of their own with the agent's code, and kill nothing else."),
            ),
            section(
                "When the Store Is Lost",
                paragraph(
                    "Take the candidate back at the gateway, restore the file from a copy, and check it. "
                    "Data loss here is what was written since the copy: ",
                    Missing("Headgate makes no copies"),
                ),
                Code("headgate verify"),
            ),
        ),
    )
    return with_notes(document, history.records, head, now)


def last_drill(history: History, name: str) -> m.Drill | None:
    """The last run of a drill."""
    return next((d for d in reversed(history.drills) if d.name == name), None)


def _scenarios() -> Table:
    head = tuple(Plain(name) for name in ("Drill", "What fails", "What happens"))
    return Table(head, tuple((line(name), line(what), line(then)) for name, (what, then) in SCENARIOS.items()))


def _measured(history: History) -> Table:
    names = ("Drill", "Recovery time", "Failed turns", "Records lost", "When", "How often")
    return Table(tuple(Plain(name) for name in names), tuple(_row(history, name) for name in SCENARIOS))


def _row(history: History, name: str) -> tuple[Line, ...]:
    runs = [d for d in history.drills if d.name == name]
    if not runs:
        missing = line(Missing("this drill was not run"))
        return (line(name), missing, missing, missing, missing, missing)
    last, proof = runs[-1], (runs[-1].evidence,)
    longest = max((d for d in runs if d.recovery_s is not None), key=lambda d: d.recovery_s or 0.0, default=None)
    took = line(Missing("the drill did not tell"))
    if longest and longest.recovery_s is not None:
        took = line(Cited(f"at most {words.duration(longest.recovery_s)}", (longest.evidence,)))
    return (
        line(name),
        took,
        line(Cited(str(last.turns_failed), proof)),
        line(Cited(str(last.records_lost), proof)),
        line(Cited(words.utc(last.at), proof)),
        line(Cited(words.count(len(runs), "run"), tuple(d.evidence for d in runs))),
    )


def _repointed(history: History) -> tuple[Block, ...]:
    """Each step of the last drill on AgentCore; nothing where none was run."""
    last = last_drill(history, REPOINT)
    if last is None:
        return ()
    proof = (last.evidence,)
    told = Cited(f"{'passed' if last.passed else 'failed'}: {last.detail}, by {last.by}, {words.utc(last.at)}", proof)
    rows = tuple(
        (
            line(Cited(what, proof)),
            line(Missing("not timed") if seconds is None else Cited(words.duration(seconds), proof)),
            line(Cited(found, proof)),
        )
        for what, seconds, found in last.steps
    )
    head = tuple(Plain(name) for name in ("Step", "Took", "Found"))
    return (paragraph(f"{REPOINT}: ", told), Table(head, rows))


def validated(history: History) -> tuple[Item, ...]:
    """A box for each drill, and none ticked without a run."""
    items = []
    for name in SCENARIOS:
        last = last_drill(history, name)
        if last is None:
            items.append(item(f"{name}: ", Missing("this drill was not run"), tick=tick(None)))
        else:
            said = Cited(f"{last.detail}, by {last.by}", (last.evidence,))
            items.append(item(f"{name}: ", said, tick=tick(last.passed, last.evidence)))
    return tuple(items)
