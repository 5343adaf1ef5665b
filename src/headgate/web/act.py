"""Signed links: GET shows what a click would say, POST says it. A link that is only looked at has done nothing.

A link that was sent to a person speaks in that person's name; one to a channel in the name that its holder claims, and
the ledger says which of the two it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from headgate.controller import commands, incidents
from headgate.core.policy import AUTOMATION
from headgate.errors import RefusedError, UsageError
from headgate.notify.links import PATH, PERSONAL, LinkSigner, Token
from headgate.ports import Clock, Store
from headgate.web import pages

ROUTE = PATH + "{token}"
_LARGEST = 10_000  # bytes of a form
_LONGEST_NAME, _LONGEST_REASON = 100, 500


class Act:
    """`headers` go with every answer. RefusedError: not our link, too late, or used before."""

    def __init__(self, store: Store, clock: Clock, signer: LinkSigner, headers: Mapping[str, str]) -> None:
        self._store = store
        self._clock = clock
        self._signer = signer
        self._headers = dict(headers)

    async def endpoint(self, request: Request) -> Response:
        if request.method != "POST":
            return await run_in_threadpool(self._show, request)
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > _LARGEST:
                raise UsageError("this form is too large")
        form = {name: values[0].strip() for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
        return await run_in_threadpool(self._do, request, form)

    def _show(self, request: Request) -> Response:
        token = self._token(request)
        return self._page(pages.act(token.verb, token.about, self._says(token), token.person))

    def _do(self, request: Request, form: Mapping[str, str]) -> Response:
        token = self._token(request)
        by, reason = token.person or form.get("by", ""), form.get("reason", "")
        if not by or not reason:
            raise UsageError("your name and a reason are needed: both go on the ledger", "go back and give them")
        if len(by) > _LONGEST_NAME or len(reason) > _LONGEST_REASON or by == AUTOMATION:
            raise UsageError("no name or reason of a person looks like that", "go back and say it in a line")
        if token.person and form.get("by", by) != by:
            raise RefusedError(f"this link was sent to {token.person}, and says what it says in that name")
        self._refuse_another_step(token)
        whose = "this person's" if token.person else "a claimed name"
        who = commands.Who(by, f"{reason} (by a signed link to {token.to or 'a channel'}; {whose})", self._clock.now())
        if token.verb == "acknowledge":
            incidents.acknowledge(self._store, token.about, who, link=token.id)
        else:
            commands.say(self._store, token.about, token.verb, who, link=token.id)
        return self._page(pages.acted(token.verb, token.about, by))

    def _refuse_another_step(self, token: Token) -> None:
        """An approval is of the step that it was asked for: a link that nobody used approves no later one."""
        if token.verb in PERSONAL and token.step != self._store.load(token.about).step + 1:
            raise RefusedError("this link is for the approval of another step, which is not awaited any more")

    def _token(self, request: Request) -> Token:
        return self._signer.read(request.path_params["token"], self._clock.now())

    def _says(self, token: Token) -> str:
        """How things stand with what the link is about."""
        if token.verb == "acknowledge":
            found = incidents.find(self._store, token.about)
            return f"{found.severity}, {found.state}: {found.title}"
        rollout = self._store.load(token.about)
        return f"{rollout.phase.replace('_', ' ')} at {rollout.weight:g} % of new sessions"

    def _page(self, text: str) -> Response:
        return HTMLResponse(text, headers=self._headers)
