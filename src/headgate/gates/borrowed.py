"""Evaluators of pydantic-evals on conversations: one is made as its own library makes it, and asked of each turn.

A turn is a case: its inputs are what the user said, its output what the agent answered. True and false are 1 and 0, a
number counts within 0 and 1, several results by their mean. A label, or an evaluator that fails, has measured nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from headgate.config.evaluator_schema import Borrowed
from headgate.errors import Rejected

Said = Sequence[tuple[str, str | None]]  # (what the user said, what the agent answered; None: it failed)


def value_of(wanted: Borrowed, said: Said) -> float:
    """Its mean over the turns, 0 to 1; a turn that failed has 0. Blocks. Raises Rejected where it measured nothing."""
    evaluator = _made(wanted)
    return sum(0.0 if agent is None else _asked(evaluator, user, agent) for user, agent in said) / len(said)


def _made(wanted: Borrowed) -> Any:
    """Raises Rejected where there is no such evaluator, or it cannot be made like that."""
    module, _, name = wanted.use.partition(":")
    try:
        kind = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        mend = "install it where the controller runs: pip install 'headgate[evals]', and your own package"
        raise Rejected(f"evaluator {wanted.use} cannot be had: {error}", mend) from error
    from pydantic_evals.evaluators import Evaluator

    if not (isinstance(kind, type) and issubclass(kind, Evaluator)):
        raise Rejected(f"{wanted.use} is no evaluator of pydantic-evals", "name a subclass of its Evaluator")
    try:
        return kind(**wanted.arguments)
    except (TypeError, ValueError) as error:
        raise Rejected(f"evaluator {wanted.use} cannot be made: {error}", "see what `with` it takes") from error


def _asked(evaluator: Any, user: str, agent: str) -> float:
    from pydantic_evals.evaluators import EvaluatorContext
    from pydantic_evals.otel import SpanTreeRecordingError

    context: Any = EvaluatorContext(
        name=None,
        inputs=user,
        metadata=None,
        expected_output=None,
        output=agent,
        duration=0.0,
        _span_tree=SpanTreeRecordingError("a recorded session has no spans"),
        attributes={},
        metrics={},
    )
    try:
        # not its own evaluate_sync, which leaves an event loop behind in each thread
        found = asyncio.run(evaluator.evaluate_async(context))
    except Exception as error:
        raise Rejected(f"evaluator {type(evaluator).__name__} failed: {type(error).__name__}: {error}") from error
    return _number(found)


def _number(found: Any) -> float:
    if isinstance(found, Mapping) and found:
        return sum(_number(each) for each in found.values()) / len(found)
    value = getattr(found, "value", found)
    if isinstance(value, bool | int | float) and 0.0 <= float(value) <= 1.0:
        return float(value)
    raise Rejected(f"an evaluator said {value!r}, which is no score from 0 to 1")
