"""What `headgate traffic` says to an agent: session-shaped talk of many turns, JSON and SSE, at a given rate.

The load engine of the gates holds the sessions. Beside failures and times it sees what a load generator is in the right
place to see: that no session met two versions on its way.
"""

from __future__ import annotations

import asyncio
import random
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from headgate.errors import UsageError
from headgate.gates import load
from headgate.gates.answer import Answer
from headgate.gates.conversation import CONSENTS, Said, Target, ask
from headgate.gates.load import LoadReport
from headgate.gates.wire import Broken, Wire

TURN_TIMEOUT_S = 60.0

OPENINGS = ("I want to lose 5 kg in 3 months", "My goal is to walk every day", "I would like to sleep better")
TALK = (
    "I lost 1 kg this week",
    "I gained 1 kg over the holidays",
    "I am stuck on a plateau",
    "I feel tired and it is hard to keep going",
    "What should I do next?",
    "I have been up and down with my weight",
)
NAMES = ("Ana", "Ben", "Chloe", "Dan", "Eva", "Finn")


@dataclass(frozen=True, slots=True)
class TrafficOptions:
    """What to drive. `rate`: sessions begun per second; `turns`: least and most; `think_s`: pause between turns.

    `sessions` None: as many as begin within `duration_s`. `workers`: sessions held at once, at most.
    """

    url: str
    agent_arn: str
    sessions: int | None = 100
    rate: float = 10.0
    turns: tuple[int, int] = (3, 6)
    think_s: float = 0.2
    stream_share: float = 0.3
    seed: int = 0
    workers: int = 1000
    duration_s: float | None = None
    qualifier: str = ""
    consent: bool = False  # to being recorded


def is_good(report: LoadReport) -> bool:
    """Something was answered, and no session changed its version."""
    return report.turns > report.failed and not report.flips


def drive(
    options: TrafficOptions,
    on_progress: Callable[[LoadReport], None] | None = None,
    stop: threading.Event | None = None,
) -> LoadReport:
    """Hold the sessions and report. Blocks; `stop` ends them after their turn."""
    return load.run(_drive(options, on_progress or (lambda _: None), stop or threading.Event()))


async def _drive(
    options: TrafficOptions, on_progress: Callable[[LoadReport], None], stop: threading.Event
) -> LoadReport:
    try:
        headers = CONSENTS if options.consent else {}
        target = Target.of(options.url, arn=options.agent_arn, qualifier=options.qualifier, headers=headers)
    except Broken as broken:
        raise UsageError(broken.why, "give a URL, e.g. http://127.0.0.1:8700") from None
    tally = load.Tally()
    arrive = load.Rate(options.rate, options.sessions, options.duration_s, options.workers, options.seed)
    async with Wire() as wire:

        async def hold(number: int) -> None:
            await _hold(wire, target, options, number, tally, stop)

        return await load.drive(hold, arrive, tally, on_progress, stop)


async def _hold(
    wire: Wire, target: Target, options: TrafficOptions, number: int, tally: load.Tally, stop: threading.Event
) -> None:
    lots = random.Random(f"{options.seed}/{number}")
    # the id is new each time: a gateway must not know the session from an earlier run
    session, versions, good = f"traffic-{uuid.uuid4()}", set[str](), True
    context = {"name": lots.choice(NAMES)}
    for turn in range(lots.randint(*options.turns)):
        if turn and options.think_s:
            await _pause(options.think_s, stop)
        if stop.is_set():
            break
        prompt = lots.choice(TALK if turn else OPENINGS)
        said = Said.prompt(prompt, stream=lots.random() < options.stream_share, context=context)
        answer = await ask(wire, target, session, said, timeout=TURN_TIMEOUT_S)
        failure = _failure(answer)
        tally.turn(failure, answer.seconds, answer.first_s)
        good = good and not failure
        versions |= {answer.version} - {""}
    tally.session(session, versions, good=good)


async def _pause(seconds: float, stop: threading.Event) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while not stop.is_set() and (left := until - loop.time()) > 0:
        await asyncio.sleep(min(left, load.PROGRESS_S))


def _failure(answer: Answer) -> str:
    """What is wrong with an answer, in a word; "" for nothing."""
    if answer.kind and answer.kind != "no stream":  # an agent that cannot stream answers whole: no failure of a turn
        return answer.kind
    if answer.data is None:
        return "not JSON"
    return "error in the answer" if isinstance(answer.data, dict) and "error" in answer.data else ""
