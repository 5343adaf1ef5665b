"""`headgate incident ...`: open, look at, acknowledge, diagnose and resolve incidents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headgate.cli import common

if TYPE_CHECKING:
    from headgate.ports import Recordings
    from headgate.reports.incidents import Incident


@click.group()
def incident() -> None:
    """Open, show, acknowledge, diagnose and resolve incidents."""


@incident.command(name="open")
@click.argument("about", metavar="AGENT")
@click.option(
    "--severity", type=click.Choice(["P1", "P2", "P3", "P4"]), default="P3", show_default=True, help="P1 is the worst."
)
@click.option("--title", required=True, metavar="TEXT", help="What happens, in one line.")
@common.by_option
@common.reason_option
@common.json_option
@click.pass_context
def open_(
    ctx: click.Context, about: str, severity: str, title: str, by: str | None, reason: str, as_json: bool
) -> None:
    """Open an incident of an agent, or of a rollout by its ID, and freeze what is measured now."""
    from headgate.controller import incidents

    with common.opened(ctx) as store:
        who = common.who(ctx, by, reason)
        made = incidents.open_by_hand(store, about, severity, title, who, recordings=_recordings(ctx))
    _tell(made, as_json)


@incident.command(name="list")
@click.option("--open", "only_open", is_flag=True, help="Only those that are not resolved.")
@common.json_option
@click.pass_context
def list_(ctx: click.Context, only_open: bool, as_json: bool) -> None:
    """All incidents, the newest last."""
    from headgate.controller import incidents

    with common.opened(ctx) as store:
        found = [i for i in incidents.all_of(store) if not (only_open and i.resolved)]
    if as_json:
        common.print_json([_data(i) for i in found])
        return
    if not found:
        click.echo("no incidents")
    for i in found:
        click.echo(f"{i.id:40} {i.severity} {i.state:13} {common.when(i.at)}  {i.title}")


@incident.command()
@click.argument("incident_id", metavar="ID")
@common.json_option
@click.pass_context
def show(ctx: click.Context, incident_id: str, as_json: bool) -> None:
    """One incident: who knows, who was told, what was frozen, how it ended."""
    from headgate.controller import incidents, notices

    with common.opened(ctx) as store:
        found = incidents.find(store, incident_id)
        sent = [d for d in store.deliveries(found.rollout) if d.message.about == found.id]
    messages = [notices.data(delivery) for delivery in sent]
    if as_json:
        evidence = found.frozen.body if found.frozen else None
        common.print_json({**_data(found), "messages": messages, "evidence": evidence})
        return
    click.echo(f"{found.id} {found.severity} {found.state}: {found.title}")
    click.echo(f"opened by {found.by}, {common.when(found.at)} ({found.evidence})")
    for word, said in (("acknowledged", found.acknowledged), ("resolved", found.resolved)):
        cause = f", cause: {said.cause}" if said and said.cause else ""
        click.echo(f"{word}: {f'by {said.by}, {common.when(said.at)}: {said.reason}{cause}' if said else 'no'}")
    for told in found.told:
        click.echo(f"escalated after {told.after_s:.0f} s to {', '.join(told.to)} ({told.evidence})")
    for message in messages:
        tried = f" after {message['attempts']} tries: {message['error']}" if message["error"] else ""
        click.echo(f"message {message['event']} to {message['receiver']}: {message['state']}{tried}")
    if found.frozen:
        click.echo(f"failing live turns: {found.frozen.body['live_turns']} ({found.frozen.id})")
        for turn in found.frozen.body.get("failing_turns") or ():
            click.echo(
                f"  {common.when(turn['t'])} version {turn['version']}: {turn['kind']} after {turn['ms']:.0f} ms"
            )
            click.echo(f"    said:     {turn['said'] or 'nothing'}")
            click.echo(f"    answered: {turn['answered'] or 'nothing'}")
    for made in found.diagnoses:
        _checks(made.runbook, made.checks)
    click.echo(f"the whole story: `headgate report incident {found.id}`")


@incident.command()
@click.argument("incident_id", metavar="ID")
@common.by_option
@common.reason_option
@common.json_option
@click.pass_context
def acknowledge(ctx: click.Context, incident_id: str, by: str | None, reason: str, as_json: bool) -> None:
    """Say that you have seen it: nobody else is told."""
    from headgate.controller import incidents

    with common.opened(ctx) as store:
        found = incidents.acknowledge(store, incident_id, common.who(ctx, by, reason))
    _tell(found, as_json)


@incident.command()
@click.argument("incident_id", metavar="ID")
@click.option("--runbook", "name", metavar="NAME", help="Which one (default: the one that fits the title).")
@common.by_option
@common.json_option
@click.pass_context
def diagnose(ctx: click.Context, incident_id: str, name: str | None, by: str | None, as_json: bool) -> None:
    """Run a runbook's checks now, and attach what they find to the incident."""
    from headgate import bootstrap
    from headgate.config.clock import SystemClock
    from headgate.controller import diagnose as checks
    from headgate.controller import incidents
    from headgate.ports import Entry
    from headgate.reports import runbooks

    with common.opened(ctx) as store:
        found = incidents.find(store, incident_id)
        book = runbooks.by_name(name) if name else runbooks.fitting(found.title)
        scene = bootstrap.scene(common.settings(ctx), store, found, SystemClock().now())
        answers = checks.run(book, scene)
        body = checks.entry_body(found, book, by or common.settings(ctx).actor(), answers)
        record = store.append([Entry("incident.diagnosed", body, found.rollout)], SystemClock().now())[0]
    if as_json:
        common.print_json({**body, "record": record.id})
        return
    _checks(book.name, answers)
    click.echo(f"attached to {found.id} ({record.id})")
    for step in book.then:
        click.echo(f"  - {step}")


@incident.command()
@click.argument("incident_id", metavar="ID")
@click.option("--cause", required=True, metavar="TEXT", help="What it came from.")
@common.by_option
@common.reason_option
@common.json_option
@click.pass_context
def resolve(ctx: click.Context, incident_id: str, cause: str, by: str | None, reason: str, as_json: bool) -> None:
    """End an incident, with its cause and why it is over."""
    from headgate.controller import incidents

    with common.opened(ctx) as store:
        found = incidents.resolve(store, incident_id, cause, common.who(ctx, by, reason))
    _tell(found, as_json)


def _recordings(ctx: click.Context) -> Recordings | None:
    """What the gateway keeps; None where none is known here: an incident is opened all the same."""
    from headgate import bootstrap
    from headgate.errors import Unavailable

    try:
        return bootstrap.recordings(common.settings(ctx))
    except Unavailable:
        return None


def _tell(found: Incident, as_json: bool) -> None:
    if as_json:
        common.print_json(_data(found))
    else:
        click.echo(f"{found.id} {found.severity} {found.state}: {found.title}")


def _checks(runbook: str, checks: Any) -> None:
    click.echo(f"runbook {runbook}:")
    for check in checks:
        click.echo(f"  {check['answer']:13} {check['check']:14} {check['detail']}")


def _data(found: Incident) -> dict[str, Any]:
    def said(word: Any) -> Any:
        return word and {
            "by": word.by,
            "at": word.at,
            "reason": word.reason,
            "cause": word.cause,
            "record": word.evidence,
        }

    return {
        "id": found.id,
        "severity": found.severity,
        "state": found.state,
        "title": found.title,
        "agent": found.agent,
        "rollout": found.rollout or None,
        "opened_at": found.at,
        "opened_by": found.by,
        "acknowledged": said(found.acknowledged),
        "resolved": said(found.resolved),
        "escalated": [{"to": list(t.to), "after_s": t.after_s, "record": t.evidence} for t in found.told],
        "record": found.evidence,
    }
