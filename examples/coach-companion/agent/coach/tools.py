"""What the coach can do beside talking: set a goal, log progress, convert units, check whether something is safe.

They read and write the session's journal, which the application hands in with each turn. Coroutines, so that Strands
runs them where it is instead of in a thread each.
"""

from __future__ import annotations

from typing import Any

from strands import ToolContext, tool

from coach import safety
from coach.journal import Entry, Journal, one_line
from coach.units import convert


def journal_of(context: ToolContext) -> Journal:
    """The memory of the session that a tool is called in."""
    return context.invocation_state["journal"]


def done(**told: Any) -> dict[str, Any]:
    """A tool's answer to the model."""
    return {"status": "success", "content": [{"json": told}]}


@tool(context=True)
async def set_goal(  # noqa: PLR0917 - a tool's parameters are named by the model
    goal: str,
    tool_context: ToolContext,
    kg: float = 0,
    weeks: float = 0,
    target_kg: float = 0,
    height_cm: float = 0,
) -> dict[str, Any]:
    """Save the person's goal, unless it would harm them.

    Args:
        goal: The goal in the person's words, e.g. "lose 5 kg in 3 months".
        kg: Kilograms to lose, 0 if that is not what it is about.
        weeks: Weeks to do it in, 0 if not said.
        target_kg: Weight to arrive at, 0 if not said.
        height_cm: The person's height, 0 if not said.
    """
    found = safety.look(goal)
    if found and found.kind == safety.UNSAFE:
        return done(saved=False, say=found.say)
    if harm := safety.unsafe_goal(kg, weeks, target_kg, height_cm):
        tool_context.invocation_state["refused"] = safety.UNSAFE
        return done(saved=False, say=f"I will not help with that as it stands: {harm}. Shall we plan that instead?")
    journal_of(tool_context).goal = one_line(goal, 100)
    return done(saved=True, goal=one_line(goal, 100), kg_a_week=round(kg / weeks, 2) if kg > 0 and weeks > 0 else None)


def logged(journal: Journal, change_kg: float, victory: str) -> dict[str, Any]:
    """One more entry in the journal, as the tool tells of it."""
    if not -50 <= change_kg <= 50:
        return done(logged=False, say="That number looks like a slip; how much was it?")
    journal.entries.append(Entry(change_kg, one_line(victory, 80)))
    return done(logged=True, entries=len(journal.entries), total_kg=round(journal.total_kg(), 2))


@tool(context=True)
async def log_progress(tool_context: ToolContext, change_kg: float = 0, victory: str = "") -> dict[str, Any]:
    """Log how it is going.

    Args:
        change_kg: Change of weight since the last report, in kg; negative is lost, 0 a plateau or not said.
        victory: Something that went well beside the scale, e.g. "slept better".
    """
    return logged(journal_of(tool_context), change_kg, victory)


@tool
async def convert_units(value: float, unit: str, to: str) -> dict[str, Any]:
    """Convert a weight, a length or an energy.

    Args:
        value: How many.
        unit: Of what: kg, g, lb, st, cm, m, in, ft, km, mi, kcal or kJ.
        to: Into what.
    """
    try:
        return done(value=round(convert(value, unit, to), 2), unit=to)
    except ValueError as error:
        return {"status": "error", "content": [{"text": str(error)}]}


@tool(context=True)
async def check_safety(text: str, tool_context: ToolContext) -> dict[str, Any]:
    """Say whether a coach may answer something, and what to say if not.

    Args:
        text: What the person said.
    """
    found = safety.look(text, journal_of(tool_context).region)
    return done(safe=found is None, kind=found.kind if found else None, say=found.say if found else None)


TOOLS = (set_goal, log_progress, convert_units, check_safety)
# what a replay gets, whatever tools the version has: these write nothing but the journal of their own session
STUBS = TOOLS
