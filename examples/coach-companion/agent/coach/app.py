"""The AgentCore application: one turn in, one answer out, as JSON or as server-sent events.

A turn: danger is looked for first and answered without a model; then the session's Strands agent runs, with its tools,
and what it writes goes out through the guards. Whatever fails is one plain sentence to the client; the reason is in
the log, never in the answer.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bedrock_agentcore import BedrockAgentCoreApp
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from strands import Agent
from strands.agent.conversation_manager import SlidingWindowConversationManager
from strands.models.model import Model

from coach import safety
from coach.ask import LONGEST, Ask, Refused, prompt_of, read, region_in
from coach.front import Front
from coach.guard import GUARDS, Guard, Outlet
from coach.identity import ASKED, fixed_parts, live_parts
from coach.journal import Journal
from coach.languages import language_of
from coach.live import Live
from coach.models import Models
from coach.sessions import Session, Sessions
from coach.settings import Settings, load
from coach.tools import STUBS, TOOLS

log = logging.getLogger("coach")

# with which a replay says that nothing must be changed by it: docs/gates.md, "Replay"
STUB_HEADER = "x-amzn-bedrock-agentcore-runtime-custom-headgate-tools"
# what a turn says when the model used up its calls and has said nothing
LOST = "I lost my thread there, and would rather not guess. Could you say that once more, in other words?"


class CoachError(RuntimeError):
    """A turn that could not be answered; its text is for the client."""


class Coach:
    """One version at work. What a version may want to do otherwise is an argument."""

    def __init__(
        self,
        settings: Settings,
        *,
        model: Model | None = None,
        tools: Sequence[Any] = TOOLS,
        guards: tuple[Guard, ...] = GUARDS,
        sessions: type[Sessions] = Sessions,
        epilogue: Callable[[Journal], str] = lambda _: "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self._live = Live(settings, os.environ if environment is None else environment)
        self._models = Models(model)
        self._models.of(self._live.model)  # what it needs and has not is said at the start
        self._tools = list(tools)
        self._guards = guards
        self._sessions = sessions(settings.limits.sessions)
        self._epilogue = epilogue
        self._parts = fixed_parts(self._tools, guards)

    def identity(self) -> dict[str, str]:
        """What it is made of now."""
        return {**self._parts, **live_parts(self._live.prompt, self._live.model)}

    def _agent_of(self, session: Session, prompt: str, *, stubbed: bool) -> Agent:
        """An agent for one turn: the prompt with the notes of the journal, and what was said."""
        return Agent(
            model=self._models.of(self._live.model),
            tools=list(STUBS) if stubbed else self._tools,
            system_prompt=f"{prompt}\n\n{session.journal.notes()}",
            messages=session.messages(),
            callback_handler=None,  # the default prints every answer to stdout
            retry_strategy=None,  # the default retries a throttled model for over 40 s, while the client waits
            conversation_manager=SlidingWindowConversationManager(window_size=self.settings.limits.window),
        )

    def hear(self, payload: Any) -> Ask:
        """What is asked. Raises Refused; but a person in danger is heard, however odd the rest of the request is."""
        prompt, region = prompt_of(payload), region_in(payload)
        danger = safety.look(prompt[:LONGEST], region)
        if danger and danger.urgent:
            return Ask(prompt[:LONGEST], payload.get("stream") is True, {"region": region} if region else {})
        return read(payload)

    async def answer(self, ask: Ask, session_id: str | None, *, stubbed: bool = False) -> AsyncIterator[dict[str, Any]]:
        """Pieces `{"text"}`, then one `{"version", "turn", "tools", ...}`. Raises CoachError.

        `stubbed`: nothing outside of the session is to be changed by it.
        """
        session = self._sessions.of(session_id)
        async with session.lock:
            journal = session.journal
            ask.told_to(journal)
            journal.turns += 1
            found = safety.look(ask.prompt, journal.region)
            kind = found.kind if found else None
            if found and found.urgent:
                session.keep([*session.messages(), _message("user", ask.prompt), _message("assistant", found.say)])
                yield {"text": found.say}
                yield self._facts(journal, ask.prompt, kind, None, stubbed=stubbed)
                return
            prompt = self._live.prompt
            agent, state = self._agent_of(session, prompt, stubbed=stubbed), {"journal": journal}
            try:
                async for text in self._coached(agent, ask.prompt, state, Outlet(self._guards, prompt)):
                    yield {"text": text}
            except Exception as error:
                log.exception("a turn failed")
                why = "it took too long" if isinstance(error, TimeoutError) else "the fault is mine"
                raise CoachError(f"the coach could not answer ({why}); please try again") from None
            session.keep(agent.messages)
            yield self._facts(journal, ask.prompt, kind or state.get("refused"), agent, stubbed=stubbed)

    async def _coached(self, agent: Agent, prompt: str, state: dict[str, Any], outlet: Outlet) -> AsyncIterator[str]:
        """The agent's words, guarded, sentence by sentence; `state` is what its tools share."""
        said: list[str] = []
        events = agent.stream_async(prompt, invocation_state=state, limits={"turns": self.settings.limits.cycles})
        until = asyncio.get_running_loop().time() + self.settings.limits.turn_s
        try:
            while True:
                async with asyncio.timeout_at(until):
                    event = await anext(events, None)
                if event is None:
                    break
                for text in outlet.feed(event.get("data", "")):
                    said.append(text)
                    yield text
        finally:
            await events.aclose()
        for text in outlet.end():
            said.append(text)
            yield text
        if not said:
            yield LOST
            agent.messages.append(_message("assistant", LOST))
        elif outlet.stopped:  # what was held back is no part of what was said
            agent.messages[-1] = _message("assistant", "".join(said))
        if last := self._epilogue(state["journal"]):
            yield f" {last}"

    def _facts(
        self, journal: Journal, prompt: str, kind: str | None, agent: Agent | None, *, stubbed: bool
    ) -> dict[str, Any]:
        """What a program wants to know of the turn; no agent where no model was asked."""
        run = agent.event_loop_metrics.latest_agent_invocation if agent else None
        tokens_in, tokens_out = (run.usage["inputTokens"], run.usage["outputTokens"]) if run else (0, 0)
        prices = self.settings.prices
        cost = (tokens_in * prices.input + tokens_out * prices.output) / 1_000_000
        return {
            "version": self.settings.name,
            "turn": journal.turns,
            "tools": _tools_of(agent) if agent else [],
            **({"tools_stubbed": True} if stubbed else {}),
            "safety": kind,
            "refused": kind is not None and kind not in safety.URGENT,
            "language": language_of(prompt),
            "cycles": len(run.cycles) if run else 0,
            "usage": {"input_tokens": tokens_in, "output_tokens": tokens_out, "cost_usd": round(cost, 9)},
        }


def _message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": [{"text": text}]}


def _tools_of(agent: Agent) -> list[dict[str, Any]]:
    """The tools that were called in this turn, in order, and whether they did what they should."""
    called: dict[str, dict[str, Any]] = {}
    for message in reversed(agent.messages):
        for block in reversed(message["content"]):
            if result := block.get("toolResult"):
                called[result["toolUseId"]] = {"name": "", "ok": result["status"] == "success"}
            elif (use := block.get("toolUse")) and use["toolUseId"] in called:
                called[use["toolUseId"]]["name"] = use["name"]
            elif message["role"] == "user" and "text" in block:
                return list(reversed(called.values()))
    return list(reversed(called.values()))


def make_app(folder: Path, **otherwise: Any) -> BedrockAgentCoreApp:
    """The version in `folder` (version.toml, prompt.md) as an application; `otherwise` is for `Coach`."""
    coach = Coach(load(folder), **otherwise)
    app = BedrockAgentCoreApp(middleware=[Middleware(Front, identity=coach.identity)])
    app.logger.setLevel(logging.WARNING)  # at INFO it logs a line a turn

    @app.entrypoint
    async def handle(payload: Any, context: Any) -> Any:
        if payload == ASKED:
            return {"identity": coach.identity()}
        try:
            ask = coach.hear(payload)
        except Refused as refusal:
            return JSONResponse({"error": str(refusal)}, status_code=400)
        pieces = coach.answer(ask, context.session_id, stubbed=_stubbed(context))
        if ask.stream:
            return pieces
        # gathered here, and never begun here and finished elsewhere: Strands' tracing must end in the task it began in
        gathered = [piece async for piece in pieces]
        return {"response": "".join(piece.get("text", "") for piece in gathered), **gathered[-1]}

    return app


def _stubbed(context: Any) -> bool:
    """Whether the request is one of a replay."""
    headers = getattr(context, "request_headers", None) or {}
    return any(name.lower() == STUB_HEADER and value.lower() == "stub" for name, value in headers.items())


def serve(app: BedrockAgentCoreApp) -> None:
    """Until it is told to stop; a stream that nobody ends does not hold it back for longer than 5 s."""
    gc.collect()
    gc.freeze()  # what was imported stays: no collection need look at it again
    app.run(timeout_graceful_shutdown=5)
