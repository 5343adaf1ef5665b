"""A conversation's score, 0 to 1, by a plan's evaluators: of live sessions that were recorded, and of replayed ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headgate import ports
from headgate.config.evaluator_schema import Evaluators, parse_evaluators
from headgate.core.recorded import Quality
from headgate.errors import Rejected
from headgate.gates.answer import Answer, recalled, spoken
from headgate.gates.borrowed import value_of
from headgate.gates.checks import unmet_check
from headgate.gates.judging import JudgeMaker, Panel
from headgate.ports import Data
from headgate.stats.observations import Recording

Heard = Sequence[tuple[str, Answer]]  # (what the user said, what came back), turn by turn


@dataclass(frozen=True, slots=True)
class Scored:
    """`score` None: not measured, `why` says the reason. `parts`: each check with its value."""

    score: float | None
    why: str = ""
    parts: tuple[Data, ...] = ()


def score(evaluators: Evaluators, panel: Panel, heard: Heard) -> Scored:
    """The weighted mean of all checks. A turn that failed meets none of them."""
    total = weights = 0.0
    parts: list[Data] = []
    for each in evaluators.evaluate:
        (name,) = each.model_fields_set - {"weight"}
        if each.judge is not None:
            told = [(said, answer.text or answer.failure) for said, answer in heard]
            made = panel.judge(each.judge.by, each.judge.rubric, told)
            if made.score is None:
                return Scored(None, f"not judged: {made.why}")
            value, detail = made.score, made.data()
        elif each.pydantic_evals is not None:
            turns = [(said, None if answer.failure else answer.text) for said, answer in heard]
            try:
                value, detail = value_of(each.pydantic_evals, turns), {"use": each.pydantic_evals.use}
            except Rejected as error:
                return Scored(None, error.message)
        else:
            met = [not answer.failure and not unmet_check(name, getattr(each, name), answer) for _, answer in heard]
            value, detail = sum(met) / len(met), {"met": sum(met), "of": len(met)}
        total, weights = total + each.weight * value, weights + each.weight
        parts.append({"check": name, "value": round(value, 4), "weight": each.weight, **detail})
    return Scored(total / weights, "", tuple(parts))


def heard_in(recording: Recording) -> Heard:
    """What a recording holds, as its turns were heard."""
    return [
        (
            said_in(turn["payload"]),
            recalled(turn["answer"], streamed=bool(turn["streamed"]), failure=str(turn["failure"])),
        )
        for turn in recording.turns
    ]


def said_in(payload: Any) -> str:
    """What the user said in a payload."""
    prompt = payload.get("prompt") if isinstance(payload, dict) else payload
    return prompt if isinstance(prompt, str) else spoken(payload)


class RecordingScorer:
    """Implements `ports.Scorer`. `judges` makes the models that judge."""

    def __init__(self, judges: JudgeMaker) -> None:
        self._judges = judges

    def score(self, quality: Quality, recording: Recording) -> ports.Scored:
        """Blocks while judges are asked."""
        evaluators = parse_evaluators(quality.suite_text, quality.suite)
        panel = Panel(evaluators.judges, self._judges)
        try:
            found = score(evaluators, panel, heard_in(recording)).score
            return ports.Scored(found, panel.bill.data().get("judging", {}))
        finally:
            panel.close()
