"""`headgate doctor`: each thing that a rollout on this machine needs, looked at, with the mend where it is wrong."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from headgate.cli import common
from headgate.errors import HeadgateError

if TYPE_CHECKING:
    from headgate.config.settings import Settings
    from headgate.core.plan import Plan

_LEAST_FREE = 500 * 1024 * 1024  # bytes: versions, logs and a ledger of weeks
_LEAST_PYTHON = (3, 11)


@dataclass(frozen=True, slots=True)
class Finding:
    """`level`: ok | note | wrong."""

    what: str
    level: str
    detail: str
    mend: str = ""


@click.command()
@common.json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Say what is wrong here; exit 1 if anything is."""
    here = common.settings(ctx)
    looks: tuple[Callable[[Settings], Iterator[Finding]], ...] = (_machine, _home, _parts, _store, _plan)
    findings = [finding for look in looks for finding in look(here)]
    if as_json:
        common.print_json([asdict(finding) for finding in findings])
    else:
        for f in findings:
            click.echo(f"{f.level:6} {f.what:12} {f.detail}" + (f"\n{'':20}mend: {f.mend}" if f.mend else ""))
    ctx.exit(1 if any(f.level == "wrong" for f in findings) else 0)


def _machine(_here: Settings) -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    good = sys.version_info[:2] >= _LEAST_PYTHON
    yield Finding("python", "ok" if good else "wrong", version, "" if good else "use Python 3.11 or newer")
    if importlib.util.find_spec("bedrock_agentcore") is None:
        yield Finding(
            "agent SDK", "note", "bedrock-agentcore is not installed beside headgate", "pip install 'headgate[agents]'"
        )
    else:
        yield Finding("agent SDK", "ok", "bedrock-agentcore is installed")


def _home(here: Settings) -> Iterator[Finding]:
    home = here.home if here.home.exists() else here.home.parent
    try:
        free = shutil.disk_usage(home).free
    except OSError as error:
        yield Finding("home", "wrong", f"{here.home}: {error.strerror}", "choose another with --home DIR")
        return
    level = "ok" if free >= _LEAST_FREE else "wrong"
    yield Finding("disk", level, f"{free // 1024**2} MB free at {home}", "" if level == "ok" else "free some space")
    token = here.home / "admin.token"
    if token.exists():
        try:
            here.admin_token()
            yield Finding("token", "ok", "admin.token is private")
        except HeadgateError as error:
            yield Finding("token", "wrong", error.message, error.mend)


def _parts(here: Settings) -> Iterator[Finding]:
    try:
        up = here.up()
    except HeadgateError as error:
        yield Finding("parts", "wrong", error.message, error.mend)
        return
    if up is None:
        yield Finding("parts", "note", "nothing runs here", "start all parts with `headgate up`")
        return
    for name in ("runtime", "gateway", "admin", "dashboard"):
        url = getattr(up, name)
        if not url:
            continue
        alive = _answers(url)
        yield Finding(name, "ok" if alive else "wrong", url, "" if alive else "see logs/ in the state directory")


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=2):
            return True
    except OSError:
        return False


def _store(here: Settings) -> Iterator[Finding]:
    from headgate import bootstrap

    if not here.store.exists():
        yield Finding("store", "note", f"no store in {here.home} yet")
        return
    try:
        store = bootstrap.store(here)
        try:
            found = store.verify()
            active = store.all(active=True)
        finally:
            store.close()
    except HeadgateError as error:
        yield Finding("store", "wrong", error.message, error.mend)
        return
    if found.ok:
        yield Finding("ledger", "ok", f"{found.count} records, whole; {len(active)} rollouts active")
    else:
        yield Finding("ledger", "wrong", "; ".join(found.problems), "restore the store from a copy")


def _plan(_here: Settings) -> Iterator[Finding]:
    path = Path("headgate.yaml")
    if not path.exists():
        yield Finding("plan", "note", "no headgate.yaml in this directory", "write one with `headgate init`")
        return
    from headgate.config.plan_file import load_plan

    try:
        plan = load_plan(path).plan
        yield Finding("plan", "ok", "headgate.yaml can start")
    except HeadgateError as error:
        yield Finding("plan", "wrong", error.message, error.mend or "`headgate plan check headgate.yaml`")
        return
    if plan.platform.kind == "agentcore" and not plan.platform.get("endpoint_url"):
        yield _aws(plan)


def _aws(plan: Plan) -> Finding:
    """Who AWS takes us for; the permissions themselves are for `headgate assess`."""
    from headgate import bootstrap
    from headgate.aws.faults import mapped

    clients = bootstrap.aws(plan)
    try:
        with mapped("asking AWS who this is"):
            told = clients.service("sts").get_caller_identity()
    except HeadgateError as error:
        return Finding("aws", "wrong", error.message, error.mend)
    finally:
        clients.close()
    return Finding("aws", "ok", f"{told['Arn']} in {clients.place.region}; `headgate assess` says what it may do")
