"""Judged checks: a model asked several times, its middle score, and how far it disagrees with itself.

A judge that cannot be asked, or contradicts itself beyond its `spread`, has measured nothing: neither good nor bad.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from headgate.config.judge_schema import Judge
from headgate.core.codec import digest
from headgate.errors import HeadgateError, Rejected
from headgate.gates.judges.port import JudgeModel
from headgate.ports import Data

JudgeMaker = Callable[[Judge], JudgeModel]
Spoken = Sequence[tuple[str, str]]  # (what the user said, what the agent answered), turn by turn

_TRIES = 2  # per score: a judge that says no score is asked once more
_LONGEST = 60_000  # characters of a conversation


@dataclass(frozen=True, slots=True)
class Judgement:
    """`score` None: not measured, `why` says the reason. `spread`: largest less smallest score; `digest` pins judge,
    prompt and rubric; `model` is what the model called itself.
    """

    score: float | None
    scores: tuple[float, ...]
    why: str
    judge: str
    digest: str
    model: str = ""

    @property
    def spread(self) -> float:
        return max(self.scores) - min(self.scores) if self.scores else 0.0

    def data(self) -> Data:
        return {
            "judge": self.judge,
            "digest": self.digest,
            "model": self.model,
            "score": self.score,
            "scores": [round(score, 3) for score in self.scores],
            "spread": round(self.spread, 3),
            "why": self.why,
        }


def pin(judge: Judge, rubric: str) -> str:
    """The digest of all that makes a score: judge, prompt, rubric."""
    beside = {"key", "timeout", "input_per_million", "output_per_million"}
    return digest({**judge.model_dump(exclude=beside), "rubric": rubric})


class Bill:
    """What judging cost so far; filled from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls = self._told = self._read = self._written = 0
        self._usd = 0.0

    def add(self, judge: Judge, tokens: tuple[int, int] | None) -> None:
        """One answer of a judge, at its prices."""
        with self._lock:
            self._calls += 1
            if tokens is None:
                return
            self._told += 1
            self._read += tokens[0]
            self._written += tokens[1]
            self._usd += (tokens[0] * judge.input_per_million + tokens[1] * judge.output_per_million) / 1e6

    def data(self) -> Data:
        """{"judging": ...}, or {} where no judge answered; `told`: how many of the answers told of their tokens."""
        with self._lock:
            if not self._calls:
                return {}
            tokens = {"input_tokens": self._read, "output_tokens": self._written}
            return {"judging": {"answers": self._calls, "told": self._told, **tokens, "usd": round(self._usd, 6)}}


class Panel:
    """The judges of one suite. `maker` makes the model of a judge, once each."""

    def __init__(self, judges: Mapping[str, Judge], maker: JudgeMaker) -> None:
        self._judges = judges
        self._maker = maker
        self._models: dict[str, JudgeModel] = {}
        self.bill = Bill()

    def close(self) -> None:
        """Lets the models go."""
        for model in self._models.values():
            model.close()
        self._models.clear()

    def judge(self, by: str, rubric: str, conversation: Spoken) -> Judgement:
        """Blocks while the judge is asked. `by` "" means the only judge."""
        name = by or next(iter(self._judges))
        judge = self._judges[name]
        prompt = judge.prompt.format(rubric=rubric, conversation=_told(conversation))
        scores, reasons, model, trouble = list[float](), list[str](), "", ""
        for _ in range(judge.repeat):
            try:
                score, reason, model = self._once(name, prompt)
            except HeadgateError as error:
                trouble = error.message
                if not error.retry:
                    break
                continue
            scores.append(score)
            reasons.append(reason)
        made = Judgement(None, tuple(scores), trouble, name, pin(judge, rubric), model)
        return _decided(made, judge, reasons)

    def _once(self, name: str, prompt: str) -> tuple[float, str, str]:
        if name not in self._models:
            self._models[name] = self._maker(self._judges[name])
        said = ""
        for _ in range(_TRIES):
            opinion = self._models[name].opinion(prompt)
            self.bill.add(self._judges[name], opinion.tokens)
            said = opinion.text
            if (found := read_score(said)) is not None:
                return *found, opinion.model
        raise Rejected(f"judge {name} gave no score: {said[:80]!r}")


def _decided(made: Judgement, judge: Judge, reasons: list[str]) -> Judgement:
    """The middle score with its reason, where most askings gave one and they agree."""
    if 2 * len(made.scores) <= judge.repeat:
        return made
    if made.spread > judge.spread:
        told = ", ".join(f"{score:g}" for score in made.scores)
        return replace(made, why=f"the judge contradicts itself: {told}")
    middle = median(made.scores)
    reason = next((r for s, r in zip(made.scores, reasons, strict=True) if abs(s - middle) < 1e-9), reasons[0])
    return replace(made, score=middle, why=reason)


def read_score(text: str) -> tuple[float, str] | None:
    """(score, reason) of the first JSON object with a score from 0 to 1 in a text; None where there is none."""
    decoder, at = json.JSONDecoder(), text.find("{")
    while at >= 0:
        try:
            data: Any = decoder.raw_decode(text, at)[0]
        except (ValueError, RecursionError):
            data = None
        score = data.get("score") if isinstance(data, dict) else None
        if isinstance(score, int | float) and not isinstance(score, bool) and 0 <= score <= 1:
            return float(score), " ".join(str(data.get("reason", "")).split())[:200]
        at = text.find("{", at + 1)
    return None


def _told(conversation: Spoken) -> str:
    """The conversation as a judge reads it; nothing in it can end its own quotation."""
    lines = (f"User: {said}\nAgent: {answered}" for said, answered in conversation)
    return "\n".join(lines).replace("</conversation>", "< /conversation>")[-_LONGEST:]
