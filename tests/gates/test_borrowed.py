"""Evaluators of pydantic-evals in a file of evaluators: the library's own, somebody's, those that measure nothing."""

from dataclasses import dataclass

import pytest
from pydantic_evals.evaluators import EvaluationReason, Evaluator

from headgate.config.evaluator_schema import parse_evaluators
from headgate.errors import PlanError
from headgate.gates.answer import recalled
from headgate.gates.scoring import score

HERE = __name__


@dataclass
class Brief(Evaluator):
    """The share of a hundred words that is left; asynchronous, with a reason."""

    most: int = 100

    async def evaluate(self, ctx):
        left = max(0.0, 1 - len(ctx.output.split()) / self.most)
        return EvaluationReason(left, f"{ctx.inputs} was answered")


@dataclass
class Several(Evaluator):
    def evaluate(self, ctx):
        return {"calm": True, "short": len(ctx.output) < 3}


@dataclass
class Label(Evaluator):
    def evaluate(self, ctx):
        return "good"


@dataclass
class Broken(Evaluator):
    def evaluate(self, ctx):
        raise ZeroDivisionError("by no means")


def scored(check, *answers):
    """The score of a conversation by one check."""
    evaluators = parse_evaluators(f"evaluate:\n  - {{pydantic_evals: {check}}}\n", "q.yaml")
    heard = [
        ("how?", recalled({"response": text}, streamed=False, failure="" if text else "status 500")) for text in answers
    ]
    return score(evaluators, None, heard)


def test_one_of_the_library_counts_the_turns_that_meet_it():
    """Asked of each turn; one that failed meets none."""
    contains = "{use: 'pydantic_evals.evaluators:Contains', with: {value: goal}}"
    found = scored(contains, "your goal", "no", "a goal", "")
    assert found.score == 0.5
    assert found.parts[0]["use"] == "pydantic_evals.evaluators:Contains"


def test_numbers_reasons_and_several_results():
    """An asynchronous one with a reason; of a mapping, the mean."""
    assert scored(f"{{use: '{HERE}:Brief', with: {{most: 4}}}}", "one two", "one").score == pytest.approx(0.625)
    assert scored(f"{{use: '{HERE}:Several'}}", "ok", "longer").score == 0.75


@pytest.mark.parametrize(
    ("check", "why"),
    [
        (f"{{use: '{HERE}:Label'}}", "'good', which is no score from 0 to 1"),
        (f"{{use: '{HERE}:Broken'}}", "evaluator Broken failed: ZeroDivisionError: by no means"),
        (f"{{use: '{HERE}:Missing'}}", "cannot be had"),
        ("{use: 'no_such_package:Thing'}", "No module named 'no_such_package'"),
        ("{use: 'json:JSONDecoder'}", "is no evaluator of pydantic-evals"),
        (f"{{use: '{HERE}:Brief', with: {{least: 4}}}}", "cannot be made"),
    ],
)
def test_what_measures_nothing_is_not_measured(check, why):
    """Neither good nor bad: no score, and why."""
    found = scored(check, "an answer")
    assert found.score is None
    assert why in found.why


def test_a_wrong_name_is_refused_with_its_line():
    """module:Class, and nothing else."""
    with pytest.raises(PlanError, match=r"q.yaml:2:28: evaluate.0.pydantic_evals.use"):
        parse_evaluators("evaluate:\n  - {pydantic_evals: {use: Politeness}}\n", "q.yaml")
