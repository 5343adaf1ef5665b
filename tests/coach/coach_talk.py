"""Coach Companion's code in this process: conversations without HTTP, versions without their thinking time."""

import asyncio
import sys
from pathlib import Path

COMPANION = Path(__file__).parents[2] / "examples" / "coach-companion"
sys.path[:0] = [str(COMPANION / "agent"), str(COMPANION)]


class Talk:
    """Conversations with a version in this process: `talk("hello", session="a")` is the answer as a client gets it."""

    def __init__(self, folder, **otherwise):
        from coach.app import Coach
        from coach.settings import load

        self.coach = Coach(load(folder, {}), **otherwise)

    def __call__(self, prompt, session=None, *, stubbed=False, **context):
        payload = {"prompt": prompt, "user_context": context} if isinstance(prompt, str) else prompt

        async def turn():
            return [piece async for piece in self.coach.answer(self.coach.hear(payload), session, stubbed=stubbed)]

        pieces = asyncio.run(turn())
        return {"response": "".join(piece.get("text", "") for piece in pieces), **pieces[-1]}


def quick(name, into, pace="first_ms = 0\npiece_ms = 0"):
    """A version built with another pace."""
    from build import build

    folder = build(name, into)
    text = (folder / "version.toml").read_text(encoding="utf-8")
    head = text.split("[model.pace]")[0]
    (folder / "version.toml").write_text(f"{head}[model.pace]\n{pace}\n", encoding="utf-8")
    return folder
