"""Holds one conversation of a suite with one version, up to its first turn that goes wrong."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from headgate.config.suite_schema import Case, Suite, Turn
from headgate.core.redact import excerpt
from headgate.gates.answer import Answer
from headgate.gates.checks import wrong_with
from headgate.gates.conversation import Said, Target, ask
from headgate.gates.judging import Judgement, Panel
from headgate.gates.wire import Wire
from headgate.ports import Data


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One conversation. `turns_s` are the times of its turns, `first_s` to their first tokens.

    `reached` False: not even a connection. `measured` False: a judge said nothing, so it neither passed nor failed.
    `said`: its turns so far, redacted, kept where it did not pass.
    """

    name: str
    passed: bool
    detail: str
    seconds: float = 0.0
    turns_s: tuple[float, ...] = ()
    first_s: tuple[float, ...] = ()
    excerpt: str = ""
    kind: str = ""  # of the failure, in a word
    reached: bool = True
    measured: bool = True
    tags: tuple[str, ...] = ()
    said: tuple[tuple[str, str], ...] = ()
    judged: tuple[Judgement, ...] = ()
    versions: tuple[str, ...] = ()
    usage: tuple[int, int] | None = None  # tokens read and written, where the agent told them

    def data(self) -> Data:
        """As the ledger keeps it."""
        told: Data = {
            "name": self.name,
            "passed": self.passed,
            "detail": self.detail,
            "seconds": round(self.seconds, 3),
        }
        told |= {"excerpt": self.excerpt} if self.excerpt else {}
        told |= {} if self.measured else {"measured": False}
        told |= {"judged": [each.data() for each in self.judged]} if self.judged else {}
        if not self.passed and self.said:
            told["conversation"] = [{"user": user, "agent": agent} for user, agent in self.said]
        return told


@dataclass(frozen=True, slots=True)
class Holder:
    """What holding a case needs. `timeout`: seconds that cap the suite's own."""

    wire: Wire
    suite: Suite
    panel: Panel
    timeout: float = 120.0

    async def hold(self, case: Case, target: Target, *, think: float = 0.0) -> CaseResult:
        """One conversation; the first turn that goes wrong ends it."""
        sessions: dict[str, str] = {}
        told: list[tuple[str, str, str]] = []  # (session, what was said, what was answered)
        answers: list[Answer] = []
        judged: list[Judgement] = []
        result = CaseResult(
            case.name, True, f"{len(case.turns)} turns" if len(case.turns) > 1 else "1 turn", tags=tuple(case.tags)
        )
        for number, turn in enumerate(case.turns, 1):
            if think and number > 1:
                await asyncio.sleep(think)
            session = sessions.setdefault(turn.session, new_session())
            said = self.said(case, turn)
            answer = await ask(self.wire, target, session, said, timeout=self._limit())
            answers.append(answer)
            told.append((session, _shown(turn), answer.text))
            wrong = wrong_with(turn, answer) or await self._forgets(turn, said, target)
            unmeasured = False
            if not wrong:
                wrong, unmeasured, found = await self._judged(turn, [(u, a) for s, u, a in told if s == session])
                judged += found
            if wrong:
                reached = answer.reached or number > 1
                result = replace(
                    result,
                    passed=False,
                    detail=f"turn {number}: {wrong}" if reached else wrong,
                    excerpt=excerpt(answer.text),
                    kind=answer.kind or ("unmeasured" if unmeasured else "wrong answer"),
                    reached=reached,
                    measured=not unmeasured,
                    said=tuple((excerpt(user), excerpt(agent)) for _, user, agent in told),
                )
                break
        return replace(
            result,
            seconds=sum(answer.seconds for answer in answers),
            turns_s=tuple(answer.seconds for answer in answers),
            first_s=tuple(answer.first_s for answer in answers if answer.first_s is not None),
            judged=tuple(judged),
            versions=tuple(sorted({answer.version for answer in answers if answer.version})),
            usage=tokens_of(answers),
        )

    def _limit(self) -> float:
        return min(self.suite.timeout, self.timeout)

    def said(self, case: Case, turn: Turn) -> Said:
        """What a turn sends."""
        if turn.say is not None:
            said = Said.prompt(
                turn.say * turn.times, stream=case.stream, context={**self.suite.context, **case.context}
            )
            return replace(said, content_type=turn.content_type)
        body = (
            turn.raw * turn.times if turn.raw is not None else json.dumps(turn.payload, ensure_ascii=False)
        ).encode()
        return Said(body, turn.content_type, case.stream)

    async def _forgets(self, turn: Turn, said: Said, target: Target) -> str:
        """A word counts as remembered where a session that never heard it does not say it too."""
        wanted = [expect.remembers for expect in turn.expect if expect.remembers is not None]
        if not wanted:
            return ""
        control = await ask(self.wire, target, new_session(), said, timeout=self._limit())
        known = [word for word in wanted if word.casefold() in control.text.casefold()]
        return f'a session that was never told says "{known[0]}" too: that is no memory' if known else ""

    async def _judged(self, turn: Turn, told: list[tuple[str, str]]) -> tuple[str, bool, list[Judgement]]:
        """(what is wrong, was it not measured, the judgements) of the turn's judged checks."""
        found: list[Judgement] = []
        for wanted in (expect.judge for expect in turn.expect if expect.judge is not None):
            made = await asyncio.to_thread(self.panel.judge, wanted.by, wanted.rubric, told)
            found.append(made)
            if made.score is None:
                return f"not judged: {made.why}", True, found
            if made.score < wanted.at_least:
                low = f"the judge gives {made.score:g}, expected at least {wanted.at_least:g}: {made.why}"
                return low, False, found
        return "", False, found


def new_session() -> str:
    return f"headgate-gate-{uuid.uuid4().hex}"


def _shown(turn: Turn) -> str:
    text: Any = turn.say if turn.say is not None else turn.raw if turn.raw is not None else json.dumps(turn.payload)
    return f"{text} (x {turn.times})" if turn.times > 1 else str(text)


def used(results: Iterable[CaseResult]) -> Data:
    """{"usage": tokens of all conversations}; {} where no agent told any."""
    told = [result.usage for result in results if result.usage is not None]
    if not told:
        return {}
    return usage(sum(read for read, _ in told), sum(wrote for _, wrote in told))


def usage(read: int, wrote: int) -> Data:
    """Tokens as the ledger keeps them."""
    return {"usage": {"input_tokens": read, "output_tokens": wrote}}


def tokens_of(answers: Iterable[Answer]) -> tuple[int, int] | None:
    """Tokens (read, written) of some turns; None where none of them told any."""
    told = [each for each in answers if each.tokens_in is not None or each.tokens_out is not None]
    if not told:
        return None
    return sum(each.tokens_in or 0 for each in told), sum(each.tokens_out or 0 for each in told)
