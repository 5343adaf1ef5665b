"""`headgate gateway | controller | runtime | dashboard`: one part alone, in the foreground, until Ctrl-C.

With --json a part prints one line when it is ready ({"part", "pid", "addresses"}). --lifeline FD ends it when that file
descriptor closes: how `headgate up` leaves no part behind.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from headgate.cli import common
from headgate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.controller.controller import Controller


def _address(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise click.BadParameter(f"{value!r} is not HOST:PORT, e.g. 127.0.0.1:8700")
    return host, int(port)


def _ready(part: str, as_json: bool) -> Callable[[dict[str, str]], None]:
    def say(addresses: dict[str, str]) -> None:
        if as_json:
            click.echo(json.dumps({"part": part, "pid": os.getpid(), "addresses": addresses}))
        else:
            where = ", ".join(f"{name} {url}" for name, url in addresses.items()) or "running"
            click.echo(f"{part}: {where} (Ctrl-C stops it)")

    return say


_lifeline = click.option("--lifeline", type=int, hidden=True, help="End when this file descriptor closes.")


@click.command()
@click.option("--listen", default="127.0.0.1:8700", show_default=True, callback=_address, help="Where clients connect.")
@click.option(
    "--admin", default="127.0.0.1:8701", show_default=True, callback=_address, help="Where policies are taken."
)
@click.option("--policy", type=click.Path(path_type=Path), help="Serve this fixed policy; no controller, no store.")
@common.json_option
@_lifeline
@click.pass_context
def gateway(
    ctx: click.Context,
    listen: tuple[str, int],
    admin: tuple[str, int],
    policy: Path | None,
    as_json: bool,
    lifeline: int | None,
) -> None:
    """Run the gateway alone."""
    from hashlib import sha256

    from headgate import bootstrap
    from headgate.gateway.server import GatewaySettings, serve

    here = common.settings(ctx)
    token = here.make_admin_token()
    serve(
        GatewaySettings(
            listen=listen,
            admin=admin,
            home=here.folder("gateway"),
            token_sha256=sha256(token.encode()).hexdigest(),
            policy_file=policy,
            sign=bootstrap.signer(),
            lifeline_fd=lifeline,
        ),
        ready=_ready("gateway", as_json),
    )


@click.command()
@click.option("--listen", default="127.0.0.1:8702", show_default=True, callback=_address, help="Both AgentCore APIs.")
@click.option("--dir", "folder", type=click.Path(path_type=Path), help="Where versions and logs are kept.")
@click.option("--s3", is_flag=True, help="Take code from S3 buckets too, read with the usual AWS configuration.")
@common.json_option
@_lifeline
@click.pass_context
def runtime(
    ctx: click.Context, listen: tuple[str, int], folder: Path | None, s3: bool, as_json: bool, lifeline: int | None
) -> None:
    """Run the local AgentCore alone."""
    from headgate.platforms.local.server import LocalSettings, serve

    home = folder if folder is not None else common.settings(ctx).folder("runtime")
    home.mkdir(parents=True, exist_ok=True)
    serve(LocalSettings(listen=listen, home=home, lifeline_fd=lifeline, s3=s3), ready=_ready("runtime", as_json))


@click.command()
@common.json_option
@_lifeline
@click.pass_context
def controller(ctx: click.Context, as_json: bool, lifeline: int | None) -> None:
    """Run the controller alone; it drives every rollout of the state directory."""
    from concurrent.futures import ThreadPoolExecutor

    from headgate import bootstrap
    from headgate.controller.controller import Controller
    from headgate.controller.courier import Courier

    world = bootstrap.world(common.settings(ctx))
    driver = Controller(world, complain=lambda text: click.echo(f"controller: {text}", err=True))
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: driver.stop())
    if lifeline is not None:
        threading.Thread(target=_outlive, args=(lifeline, driver), daemon=True).start()
    with ThreadPoolExecutor(4, thread_name_prefix="headgate-message") as pool:
        courier = Courier(world, pool.submit)
        carrying = threading.Thread(target=courier.run, daemon=True)
        carrying.start()
        _ready("controller", as_json)({})
        driver.run()
        courier.stop()
        carrying.join()
    world.store.close()


def _outlive(fd: int, driver: Controller) -> None:
    """The other end closes when whoever started us is gone."""
    while os.read(fd, 1):
        pass
    driver.stop()


@click.command()
@click.option(
    "--listen", default="127.0.0.1:8703", show_default=True, callback=_address, help="Where browsers connect."
)
@common.json_option
@_lifeline
@click.pass_context
def dashboard(ctx: click.Context, listen: tuple[str, int], as_json: bool, lifeline: int | None) -> None:
    """Run the dashboard alone."""
    from headgate import bootstrap
    from headgate.config.clock import SystemClock
    from headgate.web.server import serve

    here = common.settings(ctx)
    if not here.store.exists():
        raise UsageError(f"there is no store in {here.home}", "start the other parts first: `headgate up`")
    serve(
        bootstrap.store(here),
        SystemClock(),
        listen,
        ready=_ready("dashboard", as_json),
        lifeline_fd=lifeline,
        signer=bootstrap.links(here),
        public_host=urlsplit(here.variable("HEADGATE_DASHBOARD_URL") or "").hostname or "",
    )
