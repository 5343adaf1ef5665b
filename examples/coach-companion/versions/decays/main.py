"""Starts Coach Companion, version decays: progress goes into one table of all people, and is looked up in it."""

import asyncio
from pathlib import Path
from typing import Any

from coach.app import make_app, serve
from coach.tools import check_safety, convert_units, journal_of, logged, set_goal
from strands import ToolContext, tool

ROW_S = 0.0004  # that the table has no index shows in how long a query takes: with its rows
_table: list[tuple[float, str]] = []


@tool(context=True)
async def log_progress(tool_context: ToolContext, change_kg: float = 0, victory: str = "") -> dict[str, Any]:
    """Log how it is going.

    Args:
        change_kg: Change of weight since the last report, in kg; negative is lost, 0 a plateau or not said.
        victory: Something that went well beside the scale, e.g. "slept better".
    """
    _table.append((change_kg, victory))
    await asyncio.sleep(ROW_S * len(_table))
    return logged(journal_of(tool_context), change_kg, victory)


app = make_app(Path(__file__).parent, tools=(set_goal, log_progress, convert_units, check_safety))

if __name__ == "__main__":
    serve(app)
