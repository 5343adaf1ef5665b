"""Starts Coach Companion, version tool-errors: a change of weight is called `delta_kg` now, but for one place."""

from pathlib import Path
from typing import Any

from coach.app import make_app, serve
from coach.tools import check_safety, convert_units, journal_of, logged, set_goal
from strands import ToolContext, tool


@tool(context=True)
async def log_progress(tool_context: ToolContext, change_kg: float = 0, victory: str = "") -> dict[str, Any]:
    """Log how it is going.

    Args:
        change_kg: Change of weight since the last report, in kg; negative is lost, 0 a plateau or not said.
        victory: Something that went well beside the scale, e.g. "slept better".
    """
    report = {"victory": victory, **({"delta_kg": change_kg} if change_kg else {})}
    change = report["change_kg"] if len(report) > 1 else 0
    return logged(journal_of(tool_context), change, victory)


app = make_app(Path(__file__).parent, tools=(set_goal, log_progress, convert_units, check_safety))

if __name__ == "__main__":
    serve(app)
