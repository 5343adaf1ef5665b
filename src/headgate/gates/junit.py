"""Results as JUnit XML, as CI servers read it: one test suite per run, one test case per conversation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as Xml

from headgate.ports import GateOutcome

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a suite as JUnit knows it."""

    name: str
    outcome: GateOutcome


def junit(runs: Sequence[Run]) -> str:
    """The XML text. A load run is one test case, with its line as the message where it failed."""
    root = Xml.Element("testsuites")
    for run in runs:
        suite = Xml.SubElement(root, "testsuite", name=_clean(run.name), time=f"{run.outcome.seconds:.3f}")
        load = run.outcome.measures.get("kind") == "load"
        failed = 0
        for case in [] if load else run.outcome.cases:
            made = _case(suite, run.name, case["name"], case["seconds"])
            if not case["passed"]:
                failed += 1
                _failure(made, case["detail"], _conversation(case))
        if load:
            made = _case(suite, run.name, "load", run.outcome.seconds)
            if not run.outcome.passed:
                failed = 1
                told = "\n".join(f"{case['name']}: {case['detail']}" for case in run.outcome.cases)
                _failure(made, run.outcome.detail, told)
            Xml.SubElement(made, "system-out").text = _clean(run.outcome.detail)
        suite.set("tests", str(1 if load else len(run.outcome.cases)))
        suite.set("failures", str(failed))
        suite.set("errors", "0")
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: Xml.Element, run: str, name: str, seconds: float) -> Xml.Element:
    return Xml.SubElement(suite, "testcase", classname=_clean(run), name=_clean(name), time=f"{seconds:.3f}")


def _failure(case: Xml.Element, message: str, text: str) -> None:
    Xml.SubElement(case, "failure", message=_clean(message)).text = _clean(text)


def _conversation(case: dict[str, object]) -> str:
    turns = case.get("conversation")
    turns = turns if isinstance(turns, list) else []
    return "\n".join(f"user: {turn['user']}\nagent: {turn['agent']}" for turn in turns)


def _clean(text: str) -> str:
    return _NOT_XML.sub("?", text)
