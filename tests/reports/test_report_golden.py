"""Reports as they read, whole: a change of wording is a change of these files, and is reviewed there."""

import json

import pytest
from report_histories import SCENARIOS

from headgate.reports.write import render, write

AFTER = 5.0  # seconds after the last record at which the report is written


def report(scenario, name="status"):
    """The document of a scenario."""
    book = SCENARIOS[scenario]()
    return write(name, book.records, book.head, book.at + AFTER)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_status_as_markdown(scenario, golden):
    """The status document of every way in which a rollout can go."""
    golden(f"{scenario}.md", render(report(scenario), "md"))


@pytest.mark.parametrize("scenario", ["canary-rolled-back", "all-at-once"])
def test_status_as_html(scenario, golden):
    """The page, with its drawings and style."""
    golden(f"{scenario}.html", render(report(scenario), "html"))


def test_status_as_json(golden):
    """The same tree for programs, which is JSON."""
    text = render(report("canary-rolled-back"), "json")
    golden("canary-rolled-back.json", text)
    assert json.loads(text)["kind"] == "status"


@pytest.mark.parametrize("scenario", ["canary-promoted", "canary-rolled-back"])
def test_handoff_as_markdown(scenario, golden):
    """The handoff package as one document."""
    golden(f"handoff-{scenario}.md", render(report(scenario, "handoff"), "md"))


def test_evidence_as_markdown(golden):
    """Every record of a rollout in words."""
    golden("evidence-canary-rolled-back.md", render(report("canary-rolled-back", "evidence"), "md"))


@pytest.mark.parametrize("name", ["monitoring-plan", "monitoring"])
def test_what_is_watched_as_markdown(name, golden):
    """The plan of the window, and the window hour by hour."""
    golden(f"{name}-canary-promoted.md", render(report("canary-promoted", name), "md"))
