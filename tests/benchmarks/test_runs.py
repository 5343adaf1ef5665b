"""How the benchmark counts: rollbacks too soon, promotions before an onset, exposure, ratios, targets; and its
command line.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
from benchmarks.decisions.__main__ import main
from benchmarks.decisions.catalogue import NAMED
from benchmarks.decisions.families import random_null, random_regression
from benchmarks.decisions.play import play
from benchmarks.decisions.registry import ORACLE, OURS
from benchmarks.decisions.rules import CONTINUE, PROMOTE, ROLLBACK, Answer
from benchmarks.decisions.scenarios import Rollout, even_looks
from benchmarks.decisions.summary import Row, above, below, row
from benchmarks.decisions.targets import lines

ONSET = Rollout(NAMED["onset_err_50"], 1)
LOOKS = even_looks(len(ONSET))


class Scripted:
    """A rule that says the n-th of its lines at the n-th look, and the last one for ever."""

    def __init__(self, *script):
        self._script, self._look = script, 0

    def update(self, batch):
        at = min(self._look, len(self._script) - 1)
        self._look += 1
        return Answer(self._script[at])


def played(*script):
    """The outcome of such a rule with an onset at row 10,000, look 200."""
    return play("scripted", Scripted(*script), ONSET, LOOKS)


def plain(**changes):
    """A row of the judge that meets its targets, changed."""
    usual = Row(
        rule=OURS,
        scenario="aa",
        kind="null",
        n=100,
        wrong=3,
        found=0,
        promoted=97,
        early=97,
        before=0,
        exposed=0.0,
        ratio=None,
        error=None,
        bound=None,
        beyond=False,
    )
    return replace(usual, **changes)


def worse(name="err_1_5", rule=OURS, **changes):
    """The row of a regression that was found each time at 1.5 of the bound, changed."""
    usual = {"kind": "regression", "wrong": 0, "found": 100, "promoted": 0, "early": 0, "ratio": 1.5, "beyond": True}
    return plain(scenario=name, rule=rule, **(usual | changes))


GOOD = [
    plain(),
    plain(scenario="low_aa", wrong=0, promoted=0, early=0),
    worse(),
    worse("onset_err_50", kind="onset"),
    worse("onset_lat_50", kind="onset"),
    worse("any_1"),
    worse(rule=ORACLE),
]


def missed(*changed):
    """Names of the targets that fail when these rows stand instead of the good ones."""
    names = {(each.rule, each.scenario) for each in changed}
    rows = [each for each in GOOD if (each.rule, each.scenario) not in names] + list(changed)
    return {line.name for line in lines(rows, 0.05) if not line.held}


def test_a_rollback_before_the_onset_is_wrong():
    """It counts as false and its exposure as nothing."""
    outcome = played(*[CONTINUE] * 100, ROLLBACK)
    assert outcome.too_soon
    counted = row("scripted", "onset_err_50", [outcome], 0.05)
    assert (counted.wrong, counted.found) == (1, 0)
    assert np.isnan(counted.exposed)


def test_exposure_is_counted_from_the_onset():
    """Twenty looks of 50 requests at half the traffic expose about 500 candidate requests."""
    outcome = played(*[CONTINUE] * 219, ROLLBACK)
    assert not outcome.too_soon
    assert outcome.rows == 11_000
    assert 440 <= outcome.exposed <= 560


def test_a_promotion_before_the_onset_is_no_mistake_and_no_end():
    """The rule is asked on; a rollback afterwards counts, a rule that stays with its promotion is left out."""
    found = played(*[CONTINUE] * 100, PROMOTE, *[CONTINUE] * 118, ROLLBACK)
    stays = played(*[CONTINUE] * 100, PROMOTE)
    assert (found.action, found.rows) == (ROLLBACK, 11_000)
    assert stays.before
    counted = row("scripted", "onset_err_50", [found, stays], 0.05)
    assert (counted.n, counted.found, counted.before, counted.promoted) == (2, 1, 1, 0)
    assert counted.exposed == found.exposed


def test_what_is_missed_counts_with_all_of_its_exposure():
    """Neither silence nor a false promotion makes the mean look better."""
    silent, false = played(CONTINUE), played(*[CONTINUE] * 300, PROMOTE)
    assert silent.exposed == false.exposed == len(ONSET.exposed_at) - ONSET.exposed_before_onset
    assert (false.action, false.early) == (PROMOTE, True)


def test_binomial_tails():
    """Against sums by hand."""
    assert above(0, 10, 0.05) == pytest.approx(1.0)
    assert above(2, 3, 0.5) == pytest.approx(0.5)
    assert below(0, 3, 0.5) == pytest.approx(0.125)
    assert above(4, 200, 0.05) + below(3, 200, 0.05) == pytest.approx(1.0)


def test_good_rows_meet_every_target():
    """The base line of the next test."""
    assert missed() == set()


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        (plain(wrong=20), {"valid on every null"}),
        (plain(scenario="low_aa", wrong=0, promoted=30), {"promotions on 200 requests"}),
        (plain(early=80), {"same or better promoted early"}),
        (worse(ratio=9.0), {"score", "score, goal", "score of the study's regressions"}),
        (worse(ratio=2.4), {"score, goal"}),
        (worse(found=80), {"power >= 0.95 where the oracle has 0.99"}),
        (worse(promoted=5), {"false promotions"}),
        (worse("onset_err_50", kind="onset", ratio=2.6), {"error onsets", "score, goal"}),
        (worse("onset_lat_50", kind="onset", ratio=4.1), {"latency onsets", "score, goal"}),
        (worse("onset_lat_50", kind="onset", wrong=30), {"valid on every null"}),
    ],
)
def test_each_target_can_be_missed(changed, names):
    """One bad row fails its target, and no other."""
    assert missed(changed) == names


def test_what_was_not_measured_meets_no_target():
    """Without rows every target fails, and says why."""
    assert [line.name for line in lines([], 0.05) if line.held] == []
    assert {line.value for line in lines([], 0.05)} == {"not measured"}


def test_families_are_seeded_and_what_they_say():
    """The same number gives the same scenario; the candidate of a random null is never worse, of a regression
    always.
    """
    for seed in range(8):
        assert random_null(seed) == random_null(seed)
        for each in random_null(seed).segments:
            assert each.candidate == each.baseline or each.candidate.error <= each.baseline.error
    one = random_regression(3)
    assert one == random_regression(3)
    (segment,) = one.segments
    assert segment.candidate != segment.baseline


def test_the_command_line_writes_what_it_prints(tmp_path, capsys):
    """Two rules in two scenarios: tables on the screen and in a file, every row as JSON."""
    out = tmp_path / "run"
    arguments = ["--rules", "oracle,label_bet", "--scenarios", "err_1_50,low_aa", "--reps", "4", "--processes", "1"]
    assert main([*arguments, "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "err_1_50" in shown
    assert out.with_suffix(".md").read_text(encoding="utf-8").strip() == shown.strip()
    rows = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))["rows"]
    assert {(each["rule"], each["scenario"], each["n"]) for each in rows} == {
        (rule, name, n) for rule in ("oracle", "label_bet") for name, n in (("err_1_50", 4), ("low_aa", 8))
    }
    found = {each["rule"]: each for each in rows if each["scenario"] == "err_1_50"}
    assert 1.0 <= found["oracle"]["ratio"] <= found["label_bet"]["ratio"]
    beside = ["--beside", str(out.with_suffix(".json")), "--out", str(tmp_path / "more")]
    assert main(["--rules", "kayenta", *arguments[2:], *beside]) == 0
    assert {"kayenta", "oracle", "label_bet"} <= set(capsys.readouterr().out.split())


def test_wrong_use_is_told(capsys):
    """An unknown rule and an unknown scenario end with 2 and the names that there are."""
    with pytest.raises(SystemExit) as stopped:
        main(["--rules", "nobody"])
    assert stopped.value.code == 2
    assert "growthbook_strat" in capsys.readouterr().err
    assert main(["--rules", "oracle", "--scenarios", "nothing"]) == 2
    assert "err_1_50" in capsys.readouterr().err
