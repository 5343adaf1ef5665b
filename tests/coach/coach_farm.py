"""Versions of Coach Companion in processes of their own: served over HTTP, or recorded under a clock of their own.

The processes are forked from one that has the libraries loaded, which takes most of the time of a start.
"""

import asyncio
import json
import multiprocessing
import os
import random
import selectors
import socket
import sys
from contextlib import contextmanager
from types import SimpleNamespace

from coach_talk import COMPANION

from headgate.cli.driver import OPENINGS, TALK
from headgate.testing.fake_sessions import RecordedTurn, Recording

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["bedrock_agentcore", "strands", "uvicorn", "headgate.testing.fake_sessions"])


def _app(folder):
    """The application of a build, as its platform would start it."""
    os.chdir(folder)
    sys.path[:] = [str(folder), *(path for path in sys.path if not path.startswith(str(COMPANION)))]
    from main import app

    return app


def _serve(folder, environment, told):
    import uvicorn

    os.environ.update(environment)
    app, listener = _app(folder), socket.socket()
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(256)
    told.send(listener.getsockname()[1])
    uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False)).run(sockets=[listener])


@contextmanager
def served(folder, **environment):
    """The URL of a build."""
    ours, theirs = _PROCESSES.Pipe()
    process = _PROCESSES.Process(target=_serve, args=(folder, environment, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        assert ours.poll(30), "it did not start"
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.kill()
        process.join(10)
        ours.close()


class _Jumps(selectors.DefaultSelector):
    """Nobody waits: where nothing is to be read, time goes on to the next thing that is due."""

    now = 0.0

    def select(self, timeout=None):
        if timeout is None:
            return super().select(None)
        found = super().select(0)
        if not found:
            self.now += timeout
        return found


async def _hold(app, sessions, loop):
    """Sessions as `headgate traffic` holds them, one after the other: the time that the version itself took."""
    found = []
    for number in range(sessions):
        lots, turns = random.Random(number), []
        context = SimpleNamespace(session_id=f"recorded-{number}")
        for turn in range(lots.randint(3, 6)):
            began, answer = loop.time(), {}
            try:
                answer = await app.handlers["main"]({"prompt": lots.choice(TALK if turn else OPENINGS)}, context)
            except RuntimeError:  # what a client sees as status 500
                answer = {}
            ms = (loop.time() - began) * 1000
            turns.append((ms, answer.get("usage", {}).get("cost_usd", 0.0), not answer))
            if not answer:
                break
        found.append(turns)
    return found


def _record(folder, sessions, told):
    import logging

    logging.disable(logging.CRITICAL)
    app, selector = _app(folder), _Jumps()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now
    told.send(json.dumps(loop.run_until_complete(_hold(app, sessions, loop))))
    told.close()


def recorded(folders, sessions=80):
    """name -> Recording of so many sessions with each build, all at the same time; no machine's speed is in it."""
    running = {}
    for name, folder in folders.items():
        ours, theirs = _PROCESSES.Pipe()
        process = _PROCESSES.Process(target=_record, args=(folder, sessions, theirs), daemon=True)
        process.start()
        theirs.close()
        running[name] = (process, ours)
    found = {}
    for name, (process, ours) in running.items():
        assert ours.poll(60), f"{name} was not recorded"
        told = json.loads(ours.recv())
        found[name] = Recording(tuple(tuple(RecordedTurn(*turn) for turn in turns) for turns in told))
        process.join(10)
    return found
