"""The wire to AWS: all that leaves for any service goes through here, is written down as IAM sees it, and goes on to
the local runtime (AgentCore) or to moto (all the rest). What is recorded is what was sent, whoever sent it.
"""

import contextlib
import http.client
import json
import re
import threading
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from headgate.platforms.local.model import match

ACCOUNT, REGION = "000000000000", "eu-west-1"
HEAD = f"arn:aws:bedrock-agentcore:{REGION}:{ACCOUNT}"
AGENTCORE = re.compile(r"/(runtimes|gateways|gateway)/")
# a turn that a client sends to an AgentCore Gateway is the client's own: its permission is none of Headgate's
CLIENTS = "/gateway/"


class Wire:
    """`calls` is a set of (IAM action, resource); `url` is what AWS_ENDPOINT_URL names. `agentcore` and `others` are
    where requests go on to.
    """

    def __init__(self, others):
        self.calls, self.refusals = set(), []
        self.agentcore, self.others = "", others
        wire = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def go(self):
                wire.relay(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = go

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def relay(self, handler):
        body = _body(handler)
        if not handler.path.startswith(CLIENTS):
            self.calls.add(call_of(handler.command, handler.path, handler.headers, body))
        url = self.agentcore if AGENTCORE.match(handler.path) else self.others
        there = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        try:
            headers = {n: v for n, v in handler.headers.items() if n.lower() not in {"transfer-encoding", "expect"}}
            there.request(handler.command, handler.path, body, headers | {"Content-Length": str(len(body))})
            answer = there.getresponse()
            data = answer.read()
        finally:
            there.close()
        if answer.status >= 400:
            self.refusals.append((handler.command, handler.path, answer.status, data[:200]))
        handler.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"transfer-encoding", "content-length", "connection", "date", "server"}:
                handler.send_header(name, value)
        length = answer.getheader("Content-Length", "0") if handler.command == "HEAD" else len(data)
        handler.send_header("Content-Length", str(length))
        handler.end_headers()
        with contextlib.suppress(ConnectionError):
            handler.wfile.write(data)


def _body(handler):
    if handler.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    found = b""
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        found += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return found


def call_of(method, target, headers, body):
    """(IAM action, resource) of a request."""
    service = headers.get("Authorization", "////").split("/")[3]
    path, query = target.partition("?")[0], parse_qs(target.partition("?")[2])
    if AGENTCORE.match(path):
        operation, uri = match(method, path)
        return f"bedrock-agentcore:{operation.name}", _of_agentcore(uri, query)
    if service == "s3":
        verb = {"GET": "Get", "HEAD": "Get", "DELETE": "Delete"}.get(method, "Put")
        versioned = "Version" if verb != "Put" and "versionId" in query else ""
        return f"s3:{verb}Object{versioned}", f"arn:aws:s3:::{unquote(path[1:])}"
    operation = headers.get("X-Amz-Target", "").rpartition(".")[2] or parse_qs(body.decode())["Action"][0]
    service = {"monitoring": "cloudwatch"}.get(service, service)
    told = json.loads(body) if body.startswith(b"{") else {}
    if name := told.get("AlarmName") or next(iter(told.get("AlarmNames", [])), ""):
        reading = operation == "DescribeAlarms"  # of which IAM knows no narrower scope that shows composites
        return f"{service}:{operation}", "*" if reading else f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}"
    if group := told.get("logGroupName"):
        return f"{service}:{operation}", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:*"
    return f"{service}:{operation}", "*"


def _of_agentcore(uri, query):
    if gateway := uri.get("gatewayIdentifier"):
        return f"{HEAD}:gateway/{gateway}"
    runtime = uri.get("agentRuntimeId") or uri.get("agentRuntimeArn", "").rpartition("/")[2]
    if not runtime:
        return "*"
    endpoint = uri.get("endpointName") or "".join(query.get("qualifier", []))
    return f"{HEAD}:runtime/{runtime}" + (f"/runtime-endpoint/{endpoint}" if endpoint else "")


def allowed(policy, action, resource):
    """Whether IAM would let a call through, by the policy's statements alone."""
    return any(
        action in each["Action"] and any(fnmatchcase(resource, pattern) for pattern in each["Resource"])
        for each in policy["Statement"]
    )


def actions(policy):
    """All actions of a policy."""
    return {action for each in policy["Statement"] for action in each["Action"]}


@contextlib.contextmanager
def running_wire(others):
    wire = Wire(others)
    try:
        yield wire
    finally:
        wire.close()
