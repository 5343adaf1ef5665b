"""`headgate assess PLAN`: what the platform can do for the agent, measured, as a table and on the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from headgate.cli import common

_HOLDS = {True: "holds", False: "does not hold", None: "not measured"}


@click.command()
@click.argument("plan", type=click.Path(path_type=Path))
@common.json_option
@click.pass_context
def assess(ctx: click.Context, plan: Path, as_json: bool) -> None:
    """Measure what this platform can and cannot do for this agent."""
    from headgate import bootstrap
    from headgate.config.clock import SystemClock
    from headgate.config.plan_file import load_plan
    from headgate.controller import assess as assessing

    loaded, here = load_plan(plan), common.settings(ctx)
    with common.opened(ctx) as store:
        platform, traffic = bootstrap.platform_for(here, loaded.plan), bootstrap.traffic_for(here, store, loaded.plan)
        body = assessing.assess(loaded.plan, platform, traffic, store, bootstrap.surveyor(loaded.plan))
        record = store.append([assessing.entry(body)], SystemClock().now())[0]
    if as_json:
        common.print_json({"record": record.id, **body})
        return
    _show(body)
    click.echo(f"recommended: {body['recommended']}   (ledger record {record.id})")


def _show(body: dict[str, Any]) -> None:
    """Three tables and the notes, each line one thing that was read."""
    click.echo(
        f"{body['agent']} on {body['platform']}: versions {', '.join(body['versions']) or 'none'}; endpoints "
        + (", ".join(f"{name} -> {live}" for name, live in body["endpoints"].items()) or "none")
    )
    for claim in body["claims"]:
        _line(f'"{claim["claim"]}"', _HOLDS[claim["holds"]], claim["because"])
    for each in body["strategies"]:
        need = f"missing: {each['missing']}. {each['how']}" if each["missing"] else ""
        _line(each["kind"], "open" if each["open"] else "closed", need)
    for name, part in body.get("survey", {}).items():
        for what, state, detail in _rows(name, part):
            _line(what, state, detail)
    for note in body["notes"]:
        click.echo(f"  note: {note}")


def _rows(name: str, part: Any) -> Iterator[tuple[str, str, str]]:
    """A part of the survey as lines."""
    if isinstance(part, dict):
        known = {key: value for key, value in part.items() if value not in {None, ""}}
        if "unreadable" not in part:
            yield name, "", ", ".join(f"{key} {value}" for key, value in known.items())
    elif name == "watched alarms":
        for row in part:
            yield f"alarm: {row['name']}", row["state"] or "unreadable", "" if row["state"] else row["why"]
    elif name == "permissions":
        denied = [row["action"] for row in part if not row["allowed"]]
        yield name, f"{len(part) - len(denied)} of {len(part)}", f"refused: {', '.join(denied)}" if denied else ""
    elif name == "quotas":
        for row in part:
            used = f"{row['used']} used" if row["used"] is not None else ""
            yield f"quota: {row['quota']}", f"{row['limit']:g}", f"{used} ({row['source']})".strip()
    else:
        yield name, str(len(part)), ", ".join(str(row["name"]) for row in part)


def _line(what: str, state: str, detail: str) -> None:
    click.echo(f"  {what:36} {state:14} {detail}".rstrip())
