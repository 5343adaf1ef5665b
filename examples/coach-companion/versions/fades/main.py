"""Starts Coach Companion, version fades: each report of progress takes a connection and none is given back. While the
pool lasts nothing is to be seen of it; then every report waits for one to be dropped.
"""

import asyncio
from pathlib import Path
from typing import Any

from coach.app import make_app, serve
from coach.tools import check_safety, convert_units, journal_of, logged, set_goal
from strands import ToolContext, tool

POOL = 300  # reports
LONGER_S, LONGEST_S = 0.1, 4.0
_taken: list[str] = []


@tool(context=True)
async def log_progress(tool_context: ToolContext, change_kg: float = 0, victory: str = "") -> dict[str, Any]:
    """Log how it is going.

    Args:
        change_kg: Change of weight since the last report, in kg; negative is lost, 0 a plateau or not said.
        victory: Something that went well beside the scale, e.g. "slept better".
    """
    _taken.append(victory)
    await asyncio.sleep(min(LONGEST_S, LONGER_S * max(0, len(_taken) - POOL)))
    return logged(journal_of(tool_context), change_kg, victory)


app = make_app(Path(__file__).parent, tools=(set_goal, log_progress, convert_units, check_safety))

if __name__ == "__main__":
    serve(app)
