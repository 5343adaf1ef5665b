"""An HTTP receiver on a free port."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Hook(BaseHTTPRequestHandler):
    """Keeps what it got; answers with the status in its path, or not at all."""

    def log_message(self, *_):
        """Silence."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers), body))
        if self.path == "/hang":
            self.server.over.wait(20)
            return
        self.send_response(int(self.path.strip("/") or 200))
        answer = self.server.answer
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.path.strip("/") != "204":
            self.wfile.write(answer)


@pytest.fixture
def hook():
    """The receiver."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.got, server.over, server.answer = [], threading.Event(), b""
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()
