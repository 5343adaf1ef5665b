"""Ledgers of real rollouts that earlier versions wrote: every decision of theirs would be made again."""

import json
from pathlib import Path

import pytest

from headgate.controller.replay import replay
from headgate.ports import Record

HISTORIES = sorted((Path(__file__).parents[1] / "histories").glob("*.json"))


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_old_ledgers_replay(path):
    """No decision comes out otherwise, and no digest of a state has changed."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    members = ("seq", "at", "rollout", "kind", "body", "previous", "hash")
    again = replay([Record(*(row.get(name, "") for name in members)) for row in rows])
    assert again.decisions > 10
    assert again.differing == ()
