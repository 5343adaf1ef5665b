"""The replay gate: recorded sessions of production, said again to baseline and candidate, and judged in pairs.

It decides for agents with little traffic. Both versions are new to each conversation and get the recorded (redacted)
payloads turn by turn. Their tools must change nothing: each request says so in a header, and an answer that tells of
tools without `"tools_stubbed": true` ends the gate (docs/gates.md, "Replay").
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace

from headgate.config.evaluator_schema import Evaluators, parse_evaluators
from headgate.core.model import Version
from headgate.core.plan import Gate
from headgate.errors import Rejected, Unavailable
from headgate.gates import load as engine
from headgate.gates.answer import Answer
from headgate.gates.conversation import STUB_TOOLS, Said, Target, ask
from headgate.gates.holding import new_session, tokens_of, usage
from headgate.gates.judging import JudgeMaker, Panel
from headgate.gates.scoring import Heard, Scored, said_in, score
from headgate.gates.wire import Broken, Wire
from headgate.ports import Data, GateOutcome, Recordings
from headgate.stats.observations import Recording
from headgate.stats.paired import Pairs, Side, pairs_needed

ALPHA = 0.05
MARGIN = 0.1  # of sessions, where the plan does not say
TOLERANCE = 0.05  # scores that are closer than this are alike
_AT_ONCE = 4
_TOLD = 20  # pairs told one by one: the worst for the candidate first
_TURN_S = 120.0

Way = Callable[[str], AbstractContextManager[str]]


@dataclass(frozen=True, slots=True)
class Replayed:
    """One recorded session on both versions."""

    session: str
    baseline: Scored
    candidate: Scored
    used: tuple[int, int] | None = None  # tokens of both versions' turns, where they told them

    @property
    def difference(self) -> float:
        """The candidate's score less the baseline's."""
        return (self.candidate.score or 0.0) - (self.baseline.score or 0.0)

    @property
    def side(self) -> Side:
        if abs(self.difference) <= TOLERANCE:
            return Side.NEITHER
        return Side.CANDIDATE if self.difference > 0 else Side.BASELINE

    def data(self) -> Data:
        return {
            "name": self.session,
            "passed": self.side is not Side.BASELINE,
            "detail": f"baseline {self.baseline.score:.2f}, candidate {self.candidate.score:.2f}",
            "seconds": 0.0,
            "baseline": list(self.baseline.parts),
            "candidate": list(self.candidate.parts),
        }


class HttpReplayer:
    """Implements `ports.Replayer`. `way` opens a plain url to a version that has none."""

    def __init__(self, recordings: Recordings, judges: JudgeMaker, way: Way = nullcontext) -> None:
        self._recordings = recordings
        self._judges = judges
        self._way = way

    def replay(self, gate: Gate, agent: str, baseline: Version, candidate: Version) -> GateOutcome:
        """Blocks until all pairs are held. Raises Unavailable: no recordings yet, a version not reached, a judge that
        said nothing; Rejected: tools that are not stubbed.
        """
        evaluators = parse_evaluators(gate.suite_text, gate.suite)
        recorded = self._recordings.latest(agent, "", gate.replay or 1)
        if not recorded:
            raise Unavailable(
                f"gate {gate.name}: no session of {agent} is recorded yet", "give `recording` some time, or more share"
            )
        with ExitStack() as stack:
            old, new = (self._target(stack, version) for version in (baseline, candidate))
            panel = Panel(evaluators.judges, self._judges)
            stack.callback(panel.close)
            pairs = engine.run(_all(evaluators, panel, recorded, old, new))
        told = [pair.used for pair in pairs if pair.used is not None]
        spent = usage(sum(read for read, _ in told), sum(wrote for _, wrote in told)) if told else {}
        return _decided(gate, pairs, spent | panel.bill.data())

    def _target(self, stack: ExitStack, version: Version) -> Target:
        url = version.url if version.url.startswith("http") else stack.enter_context(self._way(version.url))
        try:
            return Target.of(url, headers=STUB_TOOLS)
        except Broken as broken:
            raise Unavailable(f"version {version.number}: {broken.why}") from None


async def _all(
    evaluators: Evaluators, panel: Panel, recorded: Sequence[Recording], old: Target, new: Target
) -> list[Replayed]:
    slots = asyncio.Semaphore(_AT_ONCE)
    async with Wire() as wire:

        async def one(recording: Recording) -> Replayed:
            async with slots:
                heard = [await _say(wire, target, recording) for target in (old, new)]
                scores = [await asyncio.to_thread(score, evaluators, panel, each) for each in heard]
                used = tokens_of(answer for each in heard for _, answer in each)
                return Replayed(recording.session, scores[0], scores[1], used)

        return await asyncio.gather(*map(one, recorded))


async def _say(wire: Wire, target: Target, recording: Recording) -> Heard:
    """The recorded payloads in a new session, to its end or its first failure."""
    session, heard = new_session(), list[tuple[str, Answer]]()
    for turn in recording.turns:
        said = Said(json.dumps(turn["payload"], ensure_ascii=False).encode(), stream=bool(turn["streamed"]))
        answer = await ask(wire, target, session, said, timeout=_TURN_S)
        if not answer.reached and not heard:
            raise Unavailable(f"a version {answer.failure}", "is it running?")
        if answer.tools and not answer.stubbed:
            raise Rejected(
                f"the agent called {answer.tools[0]} in a replay and does not say that its tools were stubbed",
                'have it honour the header and answer "tools_stubbed": true: docs/gates.md, "Replay"',
            )
        failure = answer.failure or (f"status {answer.status}" if answer.status != 200 else "")
        heard.append((said_in(turn["payload"]), answer if not failure else replace(answer, failure=failure)))
        if failure:
            break
    return heard


def _decided(gate: Gate, replayed: list[Replayed], spent: Data) -> GateOutcome:
    """FAIL: that the candidate is worse is shown. PASS: that it is worse by more than the margin is excluded. Else: not
    decided, and a person is called.
    """
    silent = next((s for pair in replayed for s in (pair.baseline, pair.candidate) if s.score is None), None)
    if silent:
        raise Unavailable(f"gate {gate.name}: {silent.why}", "nothing was judged: see the judge, and run it again")
    pairs = Pairs.of(pair.side for pair in replayed)
    margin = MARGIN if gate.margin is None else gate.margin
    harm, worse = pairs.harm_upper(1 - ALPHA), pairs.p_worse <= ALPHA
    passed = harm <= margin and not worse
    told = f"{pairs.n} sessions on both: worse in {pairs.worse}, better in {pairs.better}, alike in {pairs.same}"
    told += f"; net harm below {harm:.1%} (margin {margin:.1%}, 95 % confidence)"
    if worse:
        told += f"; the candidate is worse (p {pairs.p_worse:.3g})"
    elif not passed:
        told += f"; not decided: {pairs_needed(margin)} sessions alike would show the margin"
    measures: Data = {
        "kind": "replay",
        "pairs": pairs.n,
        "worse": pairs.worse,
        "better": pairs.better,
        "same": pairs.same,
        "p_worse": pairs.p_worse,
        "harm_upper": round(harm, 4),
        "margin": margin,
        **spent,
    }
    cases = [pair.data() for pair in sorted(replayed, key=lambda pair: pair.difference)[:_TOLD]]
    return GateOutcome(passed, told, tuple(cases), 0.0, measures, decided=passed or worse)
