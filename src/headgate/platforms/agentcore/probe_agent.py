"""The smallest agent there is: it says which version and which machine it is. Standalone: it is sent to AgentCore as it
stands, without any dependency; where uvicorn is there (the local runtime) it is served by that.

A drill measures with it what AWS does not document: an agent of a user's own does not tell its version.
"""

import json
import os
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MACHINE = uuid.uuid4().hex[:12]
PORT = 8080  # of AgentCore's HTTP contract


def answer(path: str) -> dict[str, Any]:
    """/ping, or a turn."""
    if path == "/ping":
        return {"status": "Healthy"}
    return {"mark": os.environ.get("HEADGATE_MARK", ""), "machine": MACHINE}


class Handler(BaseHTTPRequestHandler):
    """The two requests of the contract."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._say()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._say()

    def _say(self) -> None:
        body = json.dumps(answer(self.path)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The same for uvicorn."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    body = json.dumps(answer(scope["path"])).encode()
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    try:
        import uvicorn
    except ImportError:
        ThreadingHTTPServer(("0.0.0.0", PORT), Handler).serve_forever()
    else:
        uvicorn.run(app, host="127.0.0.1", port=PORT, lifespan="off", log_level="warning")


if __name__ == "__main__":
    main()
