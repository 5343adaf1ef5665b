"""kill -9 between sending and noting it, with a real store, a real receiver and real processes."""

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from headgate.controller.courier import STALE_S, Courier
from headgate.core.plan import Receiver
from headgate.notify.webhook import SlackChannel, WebhookChannel
from headgate.ports import Message
from headgate.store.sqlite import SqliteStore
from headgate.testing.clock import FakeClock
from headgate.testing.simulation import Simulation

CHILD = """
import os, signal, sys
sys.path.insert(0, {folder!r})
from test_delivery_processes import carry
carry(sys.argv[1], float(sys.argv[2]), crash=lambda _where: os.kill(os.getpid(), signal.SIGKILL))
"""


class Receiving(BaseHTTPRequestHandler):
    """Keeps the idempotency key of what it got, and drops what it knows, as a good receiver does."""

    def log_message(self, *_):
        """Silence."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(self.headers["Idempotency-Key"])
        self.send_response(200)
        self.end_headers()


def carry(path, now, crash=lambda _where: None):
    """One turn of a courier on the store at `path`."""
    store, clock = SqliteStore(path), FakeClock(now)
    world = Simulation(store, crash_point=crash).world
    channels = {"webhook": WebhookChannel({}.get), "slack": SlackChannel({}.get)}
    Courier(replace(world, clock=clock, channels=channels), lambda work: work()).turn()
    store.close()


@pytest.mark.parametrize(("kind", "heard", "result"), [("webhook", 2, "sent"), ("slack", 1, "uncertain")])
def test_killed_with_the_message_sent(tmp_path, kind, heard, result):
    """The webhook hears it twice with one key, so it knows; Slack, which would post it twice, hears it once."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiving)
    server.got = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        path, now = tmp_path / "store.db", 1_800_000_000.0
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        store = SqliteStore(path)
        store.append([], now, [Message("k1", "r", "rollback", "x", Receiver(kind, url, ()), now)])
        store.close()
        child = subprocess.run(
            [sys.executable, "-c", CHILD.format(folder=os.path.dirname(__file__)), str(path), str(now)],
            timeout=60,
            check=False,
            capture_output=True,
            text=True,
        )
        assert child.returncode == -signal.SIGKILL, child.stderr
        assert len(server.got) == 1
        carry(path, now + 1)
        assert len(server.got) == 1
        for later in (STALE_S + 1, STALE_S + 100):
            carry(path, now + later)
        assert len(server.got) == heard
        assert len(set(server.got)) == 1
        store = SqliteStore(path)
        (record,) = store.read(kinds=("notification",))
        assert record.body["result"] == result
        assert url not in str(record.body)
        store.close()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
