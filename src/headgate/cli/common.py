"""What all commands share: settings, store, who is asking, and the two ways to print."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from headgate.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from headgate.config.settings import Settings
    from headgate.controller.commands import Who
    from headgate.core.model import Rollout
    from headgate.ports import Command, Store

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

HEARD_S = 20.0  # how long a command waits for the controller


def settings(ctx: click.Context) -> Settings:
    """The settings of this command: --home of the top level, environment, defaults."""
    from headgate.config.settings import Settings

    return Settings.load(ctx.find_root().obj)


@contextmanager
def opened(ctx: click.Context) -> Iterator[Store]:
    """The store of the state directory, which must exist."""
    from headgate import bootstrap
    from headgate.errors import Unavailable

    here = settings(ctx)
    if not here.store.exists():
        raise Unavailable(
            f"there is no store in {here.home}", "start one with `headgate up`, or name it with --home DIR"
        )
    store = bootstrap.store(here)
    try:
        yield store
    finally:
        store.close()


def who(ctx: click.Context, by: str | None, reason: str) -> Who:
    """The person who asks, with a salt for what needs one."""
    from headgate import bootstrap
    from headgate.config.clock import SystemClock
    from headgate.controller.commands import Who

    return Who(by or settings(ctx).actor(), reason.strip(), SystemClock().now(), bootstrap.salt())


def by_option(command: F) -> F:
    return click.option("--by", metavar="NAME", help="Who is asking (HEADGATE_ACTOR, else the OS user).")(command)


def reason_option(command: F) -> F:
    return click.option("--reason", default="", metavar="TEXT", help="Why; goes on the ledger.")(command)


def json_option(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="JSON for programs.")(command)


def duration(_ctx: click.Context, _param: click.Parameter, value: str) -> float:
    """The callback of an option that is a length of time: seconds."""
    from headgate.config.units import parse_duration

    return parsed(parse_duration, value)


def duration_if_given(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """As `duration`; None where the option was left out."""
    return None if value is None else duration(ctx, param, value)


def duration_above_0(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """As `duration`, of what cannot be 0."""
    if (seconds := duration(ctx, param, value)) > 0:
        return seconds
    raise click.BadParameter(f"{value} is no time: give more than 0")


def parsed(parse: Callable[[str], T], value: str) -> T:
    """The value of an option. Raises click's error, which names the option, for what `parse` refuses."""
    try:
        return parse(value)
    except ValueError as error:
        what, _, mend = str(error).partition("|")
        raise click.BadParameter(f"{what}: {mend}") from error


def write(path: Path, text: str) -> None:
    """Write a file that an option names. Raises UsageError."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", "name a file that can be written") from None


def print_json(data: Any) -> None:
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, sort_keys=False))


def wait_until(done: Callable[[], bool], seconds: float, every: float = 0.1) -> bool:
    """Ask again and again until it is done; False when it was not within `seconds`."""
    from headgate.config.clock import SystemClock

    clock = SystemClock()
    deadline = clock.now() + seconds
    while not done():
        if clock.now() > deadline:
            return False
        clock.sleep(every)
    return True


def steer(
    ctx: click.Context, rollout_id: str, verb: str, by: str | None, reason: str, *, as_json: bool, **more: Any
) -> None:
    """Post a person's word, wait until the controller has taken it, and say how things stand; `more` as in `say`."""
    from headgate.controller import commands, queries

    with opened(ctx) as store:
        said = commands.say(store, rollout_id, verb, who(ctx, by, reason), **more)
        now = _heard(store, said)
    if as_json:
        print_json(queries.summary(now))
    else:
        held = f", held by {now.hold.by}: {now.hold.reason}" if now.hold else ""
        click.echo(f"{now.id}: {now.phase} at {now.weight:g} %{held}")


def _heard(store: Store, said: Command) -> Rollout:
    """Wait until the controller has taken the word; then how things stand."""

    from headgate.errors import TimedOut

    def heard() -> bool:
        return all(waiting.id != said.id for waiting in store.waiting(said.rollout))

    if not wait_until(heard, HEARD_S, every=0.05):
        raise TimedOut(
            f"{said.verb} is noted, but no controller has taken it within {HEARD_S:g} s",
            "start one (`headgate up` or `headgate controller`): it will be taken then"
            + ("; to stop the candidate now: `headgate rollback AGENT`" if said.verb == "abort" else ""),
        )
    return store.load(said.rollout)


def when(at: float | None) -> str:
    """A Unix time as people read it, in UTC."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at is not None else "-"
