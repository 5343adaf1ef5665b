"""Session-shaped load through real boto3 clients: many turns a session, JSON and SSE, at a given rate.

The driver checks what a load generator is in the right place to see: that no session met two versions on its way.
"""

from __future__ import annotations

import json
import random
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from headgate.stats.histogram import bucket_of, quantile_ms

VERSION_HEADER = "x-headgate-version"
TURN_TIMEOUT_S = 60.0
FLIPPED_SHOWN = 10
QUANTILES = (0.5, 0.95, 0.99)
PROGRESS_EVERY_S = 0.25

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
    workers: int = 32
    duration_s: float | None = None
    qualifier: str = ""


@dataclass(frozen=True, slots=True)
class TrafficReport:
    """What was seen. Times in s by quantile ("p95"); `versions`: sessions that saw each; `flips`: that saw two.

    `late_s`: how far the driver itself fell behind the rate at worst: above a second or so, it was the bottleneck.
    """

    sessions: int
    turns: int
    failures: dict[str, int]
    latency: dict[str, float | None]
    ttfb: dict[str, float | None]
    versions: dict[str, int]
    flips: int
    flipped: tuple[str, ...]
    seconds: float
    late_s: float

    @property
    def failed(self) -> int:
        return sum(self.failures.values())

    @property
    def good(self) -> bool:
        """Something was answered, and no session changed its version."""
        return self.turns > self.failed and not self.flips


@dataclass(slots=True)
class _Tally:
    """The sums so far; its lock is held for every change and look."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    sessions: int = 0
    turns: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    latency: dict[int, int] = field(default_factory=dict)
    ttfb: dict[int, int] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    flips: int = 0
    flipped: list[str] = field(default_factory=list)
    late_s: float = 0.0

    def add_turn(self, turn: _Turn) -> None:
        with self.lock:
            self.turns += 1
            if turn.failure:
                _count(self.failures, turn.failure)
            else:
                _count(self.latency, bucket_of(turn.seconds * 1000))
                _count(self.ttfb, bucket_of(turn.ttfb * 1000))

    def add_session(self, session: str, versions: set[str]) -> None:
        with self.lock:
            self.sessions += 1
            for version in versions:
                _count(self.versions, version)
            if len(versions) > 1:
                self.flips += 1
                self.flipped = [*self.flipped, session][:FLIPPED_SHOWN]

    def report(self, seconds: float) -> TrafficReport:
        with self.lock:
            return TrafficReport(
                sessions=self.sessions,
                turns=self.turns,
                failures=dict(self.failures),
                latency=_quantiles(self.latency),
                ttfb=_quantiles(self.ttfb),
                versions=dict(sorted(self.versions.items())),
                flips=self.flips,
                flipped=tuple(self.flipped),
                seconds=seconds,
                late_s=self.late_s,
            )


@dataclass(frozen=True, slots=True)
class _Turn:
    """One call: how it failed ("" if it did not), the version that answered ("" if not told), times in s."""

    failure: str
    version: str
    seconds: float = 0.0
    ttfb: float = 0.0


def drive(
    options: TrafficOptions,
    on_progress: Callable[[TrafficReport], None] | None = None,
    stop: threading.Event | None = None,
) -> TrafficReport:
    """Hold the sessions and report. Blocks; `stop` ends them after their turn; `on_progress` runs on this thread."""
    from headgate.platforms.agentcore.clients import data_client

    stop = stop or threading.Event()
    client = data_client(options.url, None, timeout_s=TURN_TIMEOUT_S, connections=options.workers)
    tally, start = _Tally(), perf_counter()
    slots = threading.Semaphore(options.workers)

    def hold(number: int) -> None:
        try:
            _hold_session(client, options, number, tally, stop)
        finally:
            slots.release()

    told = start

    def tell() -> None:
        nonlocal told
        if on_progress and perf_counter() - told >= PROGRESS_EVERY_S:
            told = perf_counter()
            on_progress(tally.report(told - start))

    with ThreadPoolExecutor(options.workers, thread_name_prefix="session") as pool:
        held: set[Future[None]] = set()
        for number, due in _arrivals(options):
            if not _wait_until(start + due, slots, stop, tell):
                break
            tally.late_s = max(tally.late_s, perf_counter() - start - due)
            held = _unfinished(held) | {pool.submit(hold, number)}
            tell()
        while held := _unfinished(held):
            wait(held, PROGRESS_EVERY_S)
            tell()
    client.close()
    return tally.report(perf_counter() - start)


def _unfinished(futures: set[Future[None]]) -> set[Future[None]]:
    """Those still running; a fault of the driver itself in one of the others is raised here."""
    for future in futures:
        if future.done():
            future.result()
    return {future for future in futures if not future.done()}


def _arrivals(options: TrafficOptions) -> Iterator[tuple[int, float]]:
    """(number, seconds after the start) of each session: a Poisson stream, the same for the same seed."""
    lots, due, number = random.Random(options.seed), 0.0, 0
    while options.sessions is None or number < options.sessions:
        if options.duration_s is not None and due >= options.duration_s:
            return
        yield number, due
        number, due = number + 1, due + lots.expovariate(options.rate)


def _wait_until(at: float, slots: threading.Semaphore, stop: threading.Event, tell: Callable[[], None]) -> bool:
    """Wait for the time and for a free worker, telling of the progress meanwhile; False when asked to stop."""
    while (left := at - perf_counter()) > 0 and not stop.wait(min(left, PROGRESS_EVERY_S)):
        tell()
    while not stop.is_set():
        if slots.acquire(timeout=PROGRESS_EVERY_S):
            return True
        tell()
    return False


def _hold_session(client: Any, options: TrafficOptions, number: int, tally: _Tally, stop: threading.Event) -> None:
    lots = random.Random(f"{options.seed}/{number}")
    # the id is new each time: a gateway must not know the session from an earlier run
    session, versions = f"traffic-{uuid.uuid4()}", set()
    context = {"name": lots.choice(NAMES)}
    for turn in range(lots.randint(*options.turns)):
        if stop.is_set() or (turn and stop.wait(options.think_s)):
            break
        prompt = lots.choice(TALK if turn else OPENINGS)
        stream = lots.random() < options.stream_share
        payload = {"prompt": prompt, "user_context": context, "stream": stream}
        result = _call(client, options, session, payload)
        tally.add_turn(result)
        if result.version:
            versions.add(result.version)
    tally.add_session(session, versions)


def _call(client: Any, options: TrafficOptions, session: str, payload: dict[str, Any]) -> _Turn:
    from botocore import exceptions

    request = {
        "agentRuntimeArn": options.agent_arn,
        "runtimeSessionId": session,
        "payload": json.dumps(payload).encode(),
    }
    if options.qualifier:
        request["qualifier"] = options.qualifier
    start = perf_counter()
    try:
        answer = client.invoke_agent_runtime(contentType="application/json", **request)
        body = answer["response"]
        first = body.read(1)  # a larger read would wait for the whole buffer
        ttfb = perf_counter() - start
        text = first + body.read()
    except exceptions.ClientError as error:
        return _Turn(_code(error.response), _version(error.response))
    except (exceptions.ReadTimeoutError, exceptions.ConnectTimeoutError):
        return _Turn("timeout", "")
    except (exceptions.IncompleteReadError, exceptions.ResponseStreamingError):
        return _Turn("answer cut short", _version(answer))
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        return _Turn(type(error).__name__, "")
    failure = _failure_in(text, answer.get("contentType", ""))
    return _Turn(failure, _version(answer), perf_counter() - start, ttfb)


def _code(response: Any) -> str:
    return str(response.get("Error", {}).get("Code") or response["ResponseMetadata"]["HTTPStatusCode"])


def _version(response: Any) -> str:
    return str(response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get(VERSION_HEADER, ""))


def _failure_in(text: bytes, kind: str) -> str:
    """What is wrong with an answer that came with status 200; "" for nothing."""
    parts = [text]
    if kind.startswith("text/event-stream"):
        parts = [line[5:] for line in text.splitlines() if line.startswith(b"data:")]
    try:
        data = [json.loads(part) for part in parts]
    except ValueError:
        return "not JSON"
    if any(isinstance(each, dict) and "error" in each for each in data):
        return "error in the stream" if len(parts) > 1 else "error in the answer"
    return "" if data else "empty answer"


def _count(counts: dict[Any, int], key: Any) -> None:
    counts[key] = counts.get(key, 0) + 1


def _quantiles(counts: dict[int, int]) -> dict[str, float | None]:
    found = {f"p{q * 100:g}": quantile_ms(counts, q) for q in QUANTILES}
    return {name: None if ms is None else ms / 1000 for name, ms in found.items()}
