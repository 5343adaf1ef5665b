"""What the gateway costs: requests per second through it, as a share of those straight to the version, in one run.

python -m benchmarks.gateway_relay [seconds per round, 2 if left out] [rounds, 3]

Ratios, because the machine and its neighbours decide the absolute numbers. Load and version share one process and core,
the gateway has another where there are two. nginx (`split_clients`, one worker, no pins, no metrics) is measured beside
it when it is installed. The 48 connections send turns of 10,000 sessions with boto3-like headers.
"""

import asyncio
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

import uvloop

from headgate.core.model import Version
from headgate.ports import TrafficPolicy
from headgate.traffic.embedded import EmbeddedTraffic

CONNECTIONS, SESSIONS, WEIGHT = 48, 10_000, 10.0
ARN = "arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/coach-0123456789"
BODY = json.dumps({"prompt": "x" * 180}).encode()
ANSWER = json.dumps({"answer": "y" * 420, "usage": {"input_tokens": 120, "output_tokens": 80}}).encode()
RESPONSE = b"HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(ANSWER),
    ANSWER,
)
HEAD = (
    f"POST {{path}} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: identity\r\n"
    f"User-Agent: Boto3/1.44 md/Botocore {'u' * 120}\r\nX-Amz-Date: 20261123T000000Z\r\n"
    f"X-Amz-Security-Token: {'t' * 380}\r\n"
    f"Authorization: AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature={'f' * 160}\r\n"
    f"amz-sdk-invocation-id: 00000000-0000-0000-0000-000000000000\r\namz-sdk-request: attempt=1\r\n"
    f"X-Amzn-Bedrock-AgentCore-Runtime-Session-Id: session-{{session:026d}}\r\nContent-Length: {len(BODY)}\r\n\r\n"
)
GATEWAY = """
import os, sys
from pathlib import Path
from headgate.gateway.server import GatewaySettings, serve
if sys.argv[3]:
    os.sched_setaffinity(0, {int(sys.argv[3])})
serve(GatewaySettings(("127.0.0.1", 0), ("127.0.0.1", 0), Path(sys.argv[1]), sys.argv[2]),
      lambda addresses: print(addresses["url"], addresses["admin"], flush=True))
"""
NGINX = """
worker_processes 1; daemon off; pid {home}/pid; error_log {home}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {home}; proxy_temp_path {home}; fastcgi_temp_path {home};
  uwsgi_temp_path {home}; scgi_temp_path {home};
  split_clients $http_x_amzn_bedrock_agentcore_runtime_session_id $variant {{ {weight}% two; * one; }}
  upstream one {{ server {one}; keepalive 256; }}
  upstream two {{ server {two}; keepalive 256; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://$variant/invocations; }}
  }}
}}
"""


class Agent(asyncio.Protocol):
    """A version that answers at once."""

    def connection_made(self, transport):
        self.transport, self.data = transport, b""

    def data_received(self, data):
        self.data += data
        while self.data.endswith(BODY) or BODY in self.data:
            self.data = self.data.partition(BODY)[2]
            self.transport.write(RESPONSE)


class Load(asyncio.Protocol):
    """One connection that sends its next turn when the last was answered."""

    answered = 0

    def __init__(self, requests):
        self.requests = requests

    def connection_made(self, transport):
        self.transport, self.data = transport, b""
        self.transport.write(next(self.requests))

    def data_received(self, data):
        self.data += data
        if self.data.endswith(ANSWER):
            assert self.data.startswith(b"HTTP/1.1 200")
            self.data = b""
            Load.answered += 1
            self.transport.write(next(self.requests))


def turns(path, first):
    """Requests of ever other sessions, made beforehand so that making them is not measured."""
    mine = range(first, SESSIONS, CONNECTIONS)
    ready = [HEAD.format(path=path, session=session).encode() + BODY for session in mine]
    while True:
        yield from ready


async def rate(address, path, seconds):
    """Requests per second of all connections together."""
    loop = asyncio.get_running_loop()
    host, _, port = address.rpartition(":")
    transports = []
    for first in range(CONNECTIONS):
        requests = turns(path, first)
        transport, _ = await loop.create_connection(lambda requests=requests: Load(requests), host, int(port))
        transports.append(transport)
    await asyncio.sleep(seconds / 4)
    begun, before = time.perf_counter(), Load.answered
    await asyncio.sleep(seconds)
    result = (Load.answered - before) / (time.perf_counter() - begun)
    for transport in transports:
        transport.abort()
    return result


@contextlib.contextmanager
def process(*command, said=True):
    """A process that is stopped afterwards, and the words that it is ready with."""
    started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield started.stdout.readline().split() if said else []
    finally:
        started.terminate()
        started.wait()
        started.stdout.close()


def serve(admin, one, two):
    """Puts the split in force."""
    traffic = EmbeddedTraffic(admin, "token")
    baseline, candidate = Version("1", "", f"http://{one}"), Version("2", "", f"http://{two}")
    traffic.apply(TrafficPolicy("coach", ARN, "r", 1, 1, "salt", baseline, candidate, WEIGHT))
    traffic.close()


async def measure(seconds, rounds, core):
    """Every target once per round, so that a busy neighbour disturbs them alike."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(Agent, "127.0.0.1", 0) for _ in range(2)]
    one, two = (f"127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers)
    with tempfile.TemporaryDirectory() as home, contextlib.ExitStack() as stack:
        hashed = sha256(b"token").hexdigest()
        url, admin = stack.enter_context(process(sys.executable, "-c", GATEWAY, f"{home}/gateway", hashed, core))
        await asyncio.to_thread(serve, admin, one, two)
        arn = ARN.replace(":", "%3A").replace("/", "%2F")
        targets = {
            "direct": (one, "/invocations"),
            "headgate": (url.removeprefix("http://"), f"/runtimes/{arn}/invocations"),
        }
        if shutil.which("nginx"):
            port = await nginx(stack, Path(home), one, two)
            targets["nginx"] = (f"127.0.0.1:{port}", f"/runtimes/{arn}/invocations")
        return [{name: await rate(*target, seconds) for name, target in targets.items()} for _ in range(rounds)]


async def nginx(stack, home, one, two):
    """Starts it on a free port; the port."""
    probe = await asyncio.get_running_loop().create_server(Agent, "127.0.0.1", 0)
    port = probe.sockets[0].getsockname()[1]
    probe.close()
    config = home / "nginx.conf"
    config.write_text(NGINX.format(home=home, weight=WEIGHT, one=one, two=two, port=port), encoding="utf-8")
    stack.enter_context(process("nginx", "-c", str(config), "-p", str(home), said=False))
    for _ in range(100):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return port
        await asyncio.sleep(0.05)
    raise SystemExit("nginx did not start")


def main():
    """Prints one line per target."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) > 1:
        os.sched_setaffinity(0, cores[:1])
    results = uvloop.run(measure(seconds, rounds, str(cores[-1]) if len(cores) > 1 else ""))
    for name in results[0]:
        per_s = statistics.median(each[name] for each in results)
        share = statistics.median(each[name] / each["direct"] for each in results)
        line = f"{name:9} {per_s:9,.0f} requests/s  {share:5.2f} of direct"
        if "nginx" in results[0]:
            line += f"  {statistics.median(each[name] / each['nginx'] for each in results):5.2f} of nginx"
        print(line)
    if "nginx" not in results[0]:
        print("nginx is not installed: not measured")


if __name__ == "__main__":
    main()
