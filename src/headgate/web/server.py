"""The dashboard's server: a list of rollouts, one page for each, its report, and the same as JSON.

/                        all rollouts
/rollouts/ID             numbers, verdict, charts; renews itself while the rollout runs
/rollouts/ID/report      the status document
/api/rollouts, /api/rollouts/ID
/act/TOKEN               a signed link: GET shows it, POST does it
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from headgate.controller import queries
from headgate.core.model import FINISHED, Rollout
from headgate.errors import HeadgateError, NotFound, RefusedError, Unavailable, UsageError
from headgate.notify.links import LinkSigner
from headgate.ports import Clock, Record, Store
from headgate.reports.charts import figures
from headgate.reports.history import History
from headgate.reports.write import render, write
from headgate.web import pages
from headgate.web.act import ROUTE, Act

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
Ready = Callable[[dict[str, str]], None]


def application(
    store: Store,
    clock: Clock,
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]"),
    signer: LinkSigner | None = None,
) -> Starlette:
    """The ASGI application. `hosts`: the names under which a browser may ask (a foreign page cannot).

    `signer`: what reads signed links; without it there are none.
    """
    view = _View(store, clock)
    routes = [
        Route("/", _threaded(view.index)),
        Route("/rollouts/{id}", _threaded(view.rollout)),
        Route("/rollouts/{id}/report", _threaded(view.report)),
        Route("/api/rollouts", _threaded(view.api_index)),
        Route("/api/rollouts/{id}", _threaded(view.api_rollout)),
    ]
    if signer is not None:
        routes.append(Route(ROUTE, Act(store, clock, signer, _HEADERS).endpoint, methods=["GET", "POST"]))
    guard = Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    return Starlette(routes=routes, middleware=[guard], exception_handlers={HeadgateError: _error})


def serve(
    store: Store,
    clock: Clock,
    listen: tuple[str, int],
    ready: Ready,
    lifeline_fd: int | None = None,
    *,
    signer: LinkSigner | None = None,
    public_host: str = "",
) -> None:
    """Answer until SIGTERM or SIGINT. Raises Unavailable where the address is taken."""
    server_socket = socket.socket(socket.AF_INET6 if ":" in listen[0] else socket.AF_INET, socket.SOCK_STREAM)
    server_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server_socket.bind(listen)
    except OSError as error:
        raise Unavailable(
            f"the dashboard cannot listen on {listen[0]}:{listen[1]}: {error.strerror}",
            "stop what listens there, or choose another with --listen HOST:PORT",
        ) from error
    host, port = server_socket.getsockname()[:2]
    hosts = tuple({"127.0.0.1", "localhost", "[::1]", listen[0], public_host or listen[0]})
    config = uvicorn.Config(
        application(store, clock, hosts, signer), log_level="warning", access_log=False, timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    if lifeline_fd is not None:
        threading.Thread(target=_outlive, args=(lifeline_fd, server), daemon=True).start()
    ready({"url": f"http://{host}:{port}"})
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises the signal again once it has ended in order
        server.run(sockets=[server_socket])


def _outlive(fd: int, server: uvicorn.Server) -> None:
    while os.read(fd, 1):
        pass
    server.should_exit = True


class _View:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def index(self, _request: Request) -> Response:
        rows = [queries.summary(rollout) for rollout in reversed(self._store.all())]
        return _html(pages.index(rows, self._clock.now()))

    def rollout(self, request: Request) -> Response:
        found = self._load(request)
        now = self._clock.now()
        drawn = [figure.svg for figure in figures(History.of(self._records(found)), found.finished_at or now)]
        return _html(pages.rollout(queries.status(self._store, found, now), drawn, live=found.phase not in FINISHED))

    def report(self, request: Request) -> Response:
        records = self._records(self._load(request))
        return _html(render(write("status", records, self._store.head(), self._clock.now()), "html"))

    def api_index(self, _request: Request) -> Response:
        return JSONResponse([queries.summary(rollout) for rollout in self._store.all()], headers=_HEADERS)

    def api_rollout(self, request: Request) -> Response:
        return JSONResponse(queries.status(self._store, self._load(request), self._clock.now()), headers=_HEADERS)

    def _load(self, request: Request) -> Rollout:
        return self._store.load(request.path_params["id"])

    def _records(self, rollout: Rollout) -> list[Record]:
        return queries.records(self._store, rollout)


def _threaded(view: Callable[[Request], Response]) -> Callable[[Request], object]:
    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(view, request)

    return endpoint


def _html(text: str) -> Response:
    return HTMLResponse(text, headers=_HEADERS)


async def _error(_request: Request, error: Exception) -> Response:
    known = {NotFound: 404, RefusedError: 403, UsageError: 400}
    status = next((code for kind, code in known.items() if isinstance(error, kind)), 503)
    return HTMLResponse(pages.error(str(error)), status_code=status, headers=_HEADERS)
