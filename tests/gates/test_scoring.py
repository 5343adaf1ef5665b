"""Scores of recordings, and the replay gate on two real servers."""

import json

import pytest

from headgate.config.evaluator_schema import parse_evaluators
from headgate.core.model import Version
from headgate.core.plan import Gate
from headgate.core.recorded import Quality
from headgate.errors import PlanError, Rejected, Unavailable
from headgate.gates.judges import maker_of
from headgate.gates.judges.port import Opinion
from headgate.gates.replay import HttpReplayer
from headgate.gates.scoring import RecordingScorer
from headgate.stats.observations import Recording

CHECKS = "evaluate:\n  - {not_contains: mg, weight: 3}\n  - {contains: you}\n"


def recording(*turns, number=1):
    """A recorded session of these turns: (what was said, what was answered[, how it failed])."""
    made = tuple(
        {"payload": {"prompt": said}, "answer": {"response": answer}, "streamed": False, "failure": "".join(failure)}
        for said, answer, *failure in turns
    )
    return Recording(number, f"{number:016x}", "baseline", "1", 0.0, 1, 0.0, 1.0, made)


class Judge:
    """Says one score."""

    def __init__(self, score):
        self.score = score

    def opinion(self, _prompt):
        return Opinion(json.dumps({"score": self.score}) if self.score is not None else "hm")

    def close(self):
        """Nothing."""


def score(text, *turns, judge=None):
    """What the evaluators give a session."""
    return RecordingScorer(lambda _: Judge(judge)).score(Quality("q.yaml", text, ""), recording(*turns)).score


def test_a_score_is_the_weighted_mean():
    """Of two turns one names a dose, one says `you`: (3 x 1/2 + 1 x 1/2) / 4. A failed turn meets nothing."""
    assert score(CHECKS, ("a", "take 5 mg"), ("b", "you can")) == pytest.approx(0.5)
    assert score(CHECKS, ("a", "you"), ("b", "you")) == 1.0
    assert score(CHECKS, ("a", "you"), ("b", "", "http_5xx")) == pytest.approx(0.5)


def test_a_judge_has_its_part():
    """A fifth of the weight is its score; a silent one leaves the session without any."""
    text = "judges: {j: {kind: openai, model: m, repeat: 1}}\n" + CHECKS + "  - {judge: {rubric: kind}}\n"
    assert score(text, ("a", "you"), judge=0.5) == pytest.approx((4 + 0.5) / 5)
    assert score(text, ("a", "you"), judge=None) is None
    scorer, quality = RecordingScorer(lambda _: Judge(0.5)), Quality("q.yaml", text, "")
    assert scorer.score(quality, recording(("a", "you"))).judging["answers"] == 1
    assert scorer.score(Quality("q.yaml", CHECKS, ""), recording(("a", "you"))).judging == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("evaluate: [{contains: a, regex: b}]", "q.yaml:1:12: evaluate.0: 2 checks in one"),
        (
            "evaluate: [{max_seconds: 5}]",
            "q.yaml:1:26: evaluate.0.max_seconds: max_seconds cannot be seen in a recording",
        ),
        ("evaluate: [{judge: {rubric: kind}}]", "q.yaml:1:20: evaluate.0.judge: there is no such judge"),
        ("evaluate: [{contains: a, weigth: 2}]", "evaluate.0.weigth: unknown key. Did you mean `weight`?"),
    ],
)
def test_bad_evaluators_are_refused_with_their_place(text, words):
    """File, line, column, and what would do."""
    with pytest.raises(PlanError) as told:
        parse_evaluators(text, "q.yaml")
    assert words in told.value.problems[0]


class Kept:
    """Recordings that are there."""

    def __init__(self, *kept):
        self.kept = list(kept)

    def after(self, agent, seq, limit):
        return [r for r in self.kept if r.seq > seq][:limit]

    def latest(self, agent, version, limit):
        return self.kept[-limit:][::-1]


def replay(agent, kept, *, baseline="", candidate="", text="evaluate: [{not_contains: better}]", **members):
    """Replays them; `better` answers everything with that word, which these evaluators do not like."""
    gate = Gate("replay", "q.yaml", text, "", replay=50, **members)
    old, new = Version("1", "", agent.url + baseline), Version("2", "", agent.url + candidate)
    return HttpReplayer(kept, maker_of(lambda _: None)).replay(gate, "coach", old, new)


def talks(number):
    """So many recorded sessions of two turns."""
    return Kept(*(recording(("hello", "hi"), ("hallo", "hi"), number=i + 1) for i in range(number)))


def test_alike_versions_pass_when_there_are_enough(agent):
    """31 sessions alike exclude a harm of 10 %; 30 do not, and nothing is decided. Each turn said to stub the tools."""
    heads = []
    agent.on_head = heads.append
    outcome = replay(agent, talks(31))
    assert (outcome.passed, outcome.decided) == (True, True)
    assert outcome.detail.startswith("31 sessions on both: worse in 0, better in 0, alike in 31; net harm below 9.9%")
    assert outcome.measures["pairs"] == 31
    assert outcome.measures["usage"] == {"input_tokens": 31 * 2, "output_tokens": 0}, "one turn tells"
    assert {head["X-Amzn-Bedrock-AgentCore-Runtime-Custom-Headgate-Tools"] for head in heads} == {"stub"}
    assert len(heads) == 31 * 2 * 2
    outcome = replay(agent, talks(30))
    assert (outcome.passed, outcome.decided) == (False, False)
    assert "not decided: 31 sessions alike would show the margin" in outcome.detail


def test_a_worse_candidate_fails_with_few(agent):
    """Five sessions, worse in each: shown. Four: not decided. The other way round it is better."""
    outcome = replay(agent, talks(5), candidate="/better")
    assert (outcome.passed, outcome.decided) == (False, True)
    assert "worse in 5, better in 0, alike in 0" in outcome.detail
    assert "the candidate is worse (p 0.0313" in outcome.detail
    assert outcome.cases[0]["detail"] == "baseline 1.00, candidate 0.00"
    outcome = replay(agent, talks(4), candidate="/better")
    assert (outcome.passed, outcome.decided) == (False, False)
    assert replay(agent, talks(5), baseline="/better").passed


def test_what_is_no_result(agent):
    """Nothing recorded, nobody there, tools that were really called: said, and decided by nobody."""
    with pytest.raises(Unavailable, match="no session of coach is recorded yet"):
        replay(agent, Kept())
    with pytest.raises(Rejected, match="called set_goal in a replay and does not say that its tools were stubbed"):
        replay(agent, Kept(recording(("work", "done"))))
    url, agent.url = agent.url, "http://127.0.0.1:9"
    with pytest.raises(Unavailable, match="cannot be reached"):
        replay(agent, talks(1))
    agent.url = url
