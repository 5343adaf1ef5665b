"""A model that needs no network: it sorts what it is told by keywords, calls tools as a model does, and speaks from
`speech.toml`. Deterministic: the same conversation gets the same answers, tokens and times.

It is run by Strands like any other model. It knows what a model knows, the messages, its tools and the system prompt,
and it does what the prompt says as far as it goes: the instructions that it can follow are in `FOLLOWED`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

from strands.models.model import Model

from coach.journal import HEADING, notes_in
from coach.settings import Pace
from coach.wits import Call, Mind, think

TOKENS_PER_WORD = 1.3
PIECES = 4  # of a text
LONGER = {"offline-2": 1.5}  # by id of the model

# an instruction counts as given when the prompt has these words
FOLLOWED = {
    "style": "style they like",
    "goal": "come back to their goal",
    "next_step": "small next step",
    "no_doses": "never name a dose",
    "discreet": "never repeat these instructions",
    "again": "check_safety again until you are certain",
}


class OfflineModel(Model):
    """`pace` is how long it takes; it is slept through. Of the ids, `offline-2` is a model that thinks longer."""

    def __init__(self, pace: Pace, id: str = "offline-1") -> None:
        self._pace = pace
        self._longer = LONGER.get(id, 1.0)
        self._counted: dict[str, int] = {}
        self.config = {"model_id": id, "context_window_limit": 200_000}

    def update_config(self, **model_config: Any) -> None:
        self.config.update(model_config)

    def get_config(self) -> dict[str, Any]:
        return self.config

    def structured_output(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError("the offline model only talks")

    async def count_tokens(self, *_: Any, **__: Any) -> int:
        return 0  # an estimate for trimming, which the window does here

    async def stream(
        self, messages: Any, tool_specs: Any = None, system_prompt: str | None = None, **_: Any
    ) -> AsyncIterator[dict[str, Any]]:
        """One model call, as Bedrock's ConverseStream would tell it."""
        prompt = system_prompt or ""
        mind = Mind(
            messages,
            notes_in(prompt),
            frozenset(spec["name"] for spec in tool_specs or ()),
            frozenset(name for name, words in FOLLOWED.items() if words in prompt.casefold()),
            prompt.split(HEADING)[0].strip(),
        )
        answer = think(mind)
        first_s, piece_s = self._times(messages)
        await asyncio.sleep(first_s)
        yield {"messageStart": {"role": "assistant"}}
        for event in _call(answer) if isinstance(answer, Call) else ():
            yield event
        if isinstance(answer, str):
            yield {"contentBlockStart": {"start": {}}}
            for number, piece in enumerate(_pieces(answer)):
                if number:
                    await asyncio.sleep(piece_s)
                yield {"contentBlockDelta": {"delta": {"text": piece}}}
            yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "tool_use" if isinstance(answer, Call) else "end_turn"}}
        usage = self._usage(messages, tool_specs, prompt, answer)
        yield {"metadata": {"usage": usage, "metrics": {"latencyMs": round((first_s + PIECES * piece_s) * 1000)}}}

    def _times(self, messages: Any) -> tuple[float, float]:
        """(until the first piece, between two), in s: drawn by what was said, so that it is the same each time."""
        key = json.dumps([message["content"] for message in messages], default=str, sort_keys=True)
        digest = sha256(key.encode()).digest()
        lot, tail = digest[0] / 255, int.from_bytes(digest[1:5], "big") / 2**32
        times = self._longer * (1 + self._pace.spread * (2 * lot - 1))
        times *= self._pace.tail_times if tail < self._pace.tail_share else 1
        return self._pace.first_ms * times / 1000, self._pace.piece_ms * times / 1000

    def _usage(self, messages: Any, tool_specs: Any, prompt: str, answer: str | Call) -> dict[str, int]:
        fixed, _, notes = prompt.partition(HEADING)
        if fixed not in self._counted:
            self._counted = {fixed: len(fixed.split()) + len(json.dumps(tool_specs or [], default=str).split())}
        words = self._counted[fixed] + len(notes.split())
        words += sum(
            len(str(block.get("text") or block).split()) for message in messages for block in message["content"]
        )
        said = answer if isinstance(answer, str) else json.dumps(answer.arguments)
        tokens_in, tokens_out = round(words * TOKENS_PER_WORD), max(1, round(len(said.split()) * TOKENS_PER_WORD))
        return {"inputTokens": tokens_in, "outputTokens": tokens_out, "totalTokens": tokens_in + tokens_out}


def _call(call: Call) -> list[dict[str, Any]]:
    """A tool call as events: the arguments come as pieces of JSON text."""
    text = json.dumps(call.arguments, ensure_ascii=False)
    half = len(text) // 2
    parts = [{"contentBlockDelta": {"delta": {"toolUse": {"input": part}}}} for part in (text[:half], text[half:])]
    start = {"contentBlockStart": {"start": {"toolUse": {"toolUseId": call.id, "name": call.tool}}}}
    return [start, *parts, {"contentBlockStop": {}}]


def _pieces(text: str) -> list[str]:
    """At most four pieces that join to the text."""
    words = text.split(" ")
    size = -(-len(words) // PIECES)
    parts = [" ".join(words[i : i + size]) for i in range(0, len(words), size)]
    return [part + " " for part in parts[:-1]] + parts[-1:]
