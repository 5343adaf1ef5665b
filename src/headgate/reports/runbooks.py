"""The runbooks: what a team does when something is wrong, each with checks that Headgate can run itself.

`Runbook.checks` are names of `controller.diagnose.CHECKS`; `then` says what to type for what they find.
"""

from __future__ import annotations

from dataclasses import dataclass

from headgate.errors import UsageError
from headgate.reports.document import Code, Document, Line, Section, bullets, field, item, line, paragraph, section
from headgate.reports.document import Fields as FieldList
from headgate.reports.evidence import with_notes
from headgate.reports.history import History
from headgate.reports.telling import of_created


@dataclass(frozen=True, slots=True)
class Runbook:
    """`words`: what in an incident's title leads here. Texts hold no digit: they measure nothing."""

    name: str
    title: str
    when: str
    words: tuple[str, ...]
    checks: tuple[str, ...]
    then: tuple[str, ...]


ABORT = "take the candidate back: headgate rollout abort ID, or headgate rollback AGENT where no rollout runs"

RUNBOOKS = (
    Runbook(
        "agent-not-responding",
        "Agent not responding",
        "Sessions get no answer, or the alarm on missing invocations is red.",
        ("answer", "invocations", "respond", "down", "start", "health"),
        ("gateway", "status", "ping", "endpoints", "traffic", "errors", "restarts"),
        (
            "the gateway does not answer: headgate up starts it again; it knows its policy and its pins",
            "a version is not ready: read its log in the runtime's folder; a dead baseline has nothing to go back to",
            "only the candidate does not answer: " + ABORT,
        ),
    ),
    Runbook(
        "error-rate",
        "High error rate",
        "More turns fail than the plan allows.",
        ("error", "fail", "rollback"),
        ("errors", "status", "traffic", "endpoints", "configuration", "restarts"),
        (
            "the candidate fails and the baseline does not: " + ABORT,
            "both fail alike: look for what they share (model, quota, network); the candidate is not to blame",
            "one kind of error leads: timeouts point to the model or a tool, refused connections to the process",
        ),
    ),
    Runbook(
        "latency",
        "High latency",
        "Turns or first tokens take longer than the plan allows.",
        ("latency", "slow", "p95", "p99", "token", "ttfb"),
        ("latency", "traffic", "memory", "configuration", "errors"),
        (
            "the candidate is slower than the baseline: " + ABORT,
            "both are slow: look at the model provider and at how busy the machine is",
        ),
    ),
    Runbook(
        "configuration",
        "Configuration problem",
        "Something behaves otherwise than it was released.",
        ("config", "drift", "language", "wrong", "prompt", "version"),
        ("configuration", "endpoints", "gateway", "status"),
        (
            "an endpoint points elsewhere: somebody moved it outside of Headgate; a rollback puts it back",
            "only what the plan changed differs: the candidate is as it was meant; mend it and release anew",
        ),
    ),
    Runbook(
        "permission",
        "Permission problem",
        "Calls are refused: by the platform, a tool, or this machine.",
        ("permission", "denied", "forbidden", "unauthorized", "role", "credential"),
        ("permissions", "refusals", "errors", "status"),
        (
            "the state directory is not private, or cannot be written: mend its mode and its owner",
            "the platform refuses: compare its role with what headgate iam PLAN asks for",
        ),
    ),
    Runbook(
        "cost",
        "Cost above plan",
        "More is spent than the budget or an alarm allows.",
        ("cost", "budget", "spend", "usd", "expens"),
        ("cost", "traffic", "latency", "configuration"),
        (
            "a session of the candidate costs more than one of the baseline: " + ABORT,
            "there are simply more sessions: raise the budget, or limit who gets in",
        ),
    ),
    Runbook(
        "memory",
        "Memory grows",
        "A version's process grows, or is restarted again and again.",
        ("memory", "oom", "restart", "leak", "rss"),
        ("memory", "restarts", "status", "errors", "traffic"),
        (
            "the candidate holds much more than the baseline: " + ABORT,
            "a process was restarted: its sessions lost what it remembered; read its log",
        ),
    ),
)


def by_name(name: str) -> Runbook:
    """The runbook of this name. UsageError lists them."""
    for book in RUNBOOKS:
        if book.name == name:
            return book
    raise UsageError(f"there is no runbook {name!r}", f"one of {', '.join(book.name for book in RUNBOOKS)}")


def fitting(title: str) -> Runbook:
    """The runbook whose words an incident's title has most of; the one on errors where it has none."""
    said = title.lower()
    scores = [(sum(word in said for word in book.words), -i) for i, book in enumerate(RUNBOOKS)]
    best, index = max(scores)
    return RUNBOOKS[-index] if best else by_name("error-rate")


def runbook_report(history: History, head: tuple[int, str], now: float) -> Document:
    """All runbooks, with the commands of this rollout's agent."""
    title = line("Incident Response - ", of_created(history, history.agent))
    proof = (history.created.evidence,)
    document = Document(
        "runbook",
        title,
        (
            FieldList(
                (
                    field("Agent", of_created(history, history.agent)),
                    field("Owner", of_created(history, history.plan.handoff_to)),
                    field("Told of incidents", _told(history)),
                )
            ),
            paragraph("What comes first, always: is the candidate to blame, and is it taken back?"),
            Code(
                f'headgate rollout status {history.rollout.id}\nheadgate rollback {history.agent} --reason "..."\n'
                f'headgate incident open {history.agent} --severity P2 --title "..."\nheadgate incident list --open',
                proof,
            ),
        ),
        tuple(_book(history, book) for book in RUNBOOKS),
    )
    return with_notes(document, history.records, head, now)


def _told(history: History) -> Line:
    receivers = [r for r in history.plan.notify if "incident" in r.on]
    names = ", ".join(r.name or r.kind for r in receivers)
    return line(of_created(history, names)) if receivers else line("nobody: the plan names no receiver")


def _book(history: History, book: Runbook) -> Section:
    command = f"headgate incident diagnose INCIDENT --runbook {book.name}"
    return section(
        book.title,
        paragraph(book.when),
        paragraph("Headgate runs the checks and attaches what they found to the incident:"),
        Code(command, (history.created.evidence,)),
        bullets(*(item(name) for name in book.checks)),
        paragraph("Then:"),
        bullets(*(item(step) for step in book.then), ordered=True),
    )
