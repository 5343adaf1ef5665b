"""The evaluators of Coach Companion tell a coach from one that says little, on what versions really say."""

import random

import pytest
from coach_talk import COMPANION, Talk, quick

from headgate.cli.driver import OPENINGS, TALK
from headgate.config.evaluator_schema import parse_evaluators
from headgate.gates.answer import recalled
from headgate.gates.scoring import score

EVALUATORS = parse_evaluators((COMPANION / "suites" / "quality.yaml").read_text(encoding="utf-8"), "quality.yaml")


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """name -> the scores of the same twelve conversations."""
    found = {}
    for name in ("v1", "v2", "lower-quality"):
        talk = Talk(quick(name, tmp_path_factory.mktemp(name)))
        found[name] = []
        for number in range(12):
            lots = random.Random(number)
            said = [lots.choice(TALK if turn else OPENINGS) for turn in range(lots.randint(2, 4))]
            heard = [(each, recalled(talk(each, session=f"s{number}"), streamed=False)) for each in said]
            found[name].append(score(EVALUATORS, None, heard).score)
    return found


def test_the_better_version_scores_more(scores):
    """v2 comes back to the person's goal; all else that is asked of a coach, v1 does as well."""
    assert min(scores["v1"]) > 0.85
    assert all(one < other for one, other in zip(scores["v1"], scores["v2"], strict=True))


def test_one_that_says_less_scores_less(scores):
    """In every conversation, by far more than a replay calls alike."""
    assert all(one + 0.1 < other for one, other in zip(scores["lower-quality"], scores["v1"], strict=True))
    assert 0.4 < sum(scores["lower-quality"]) / 12 < 0.6
