"""What Coach Companion costs on top of the SDK it runs on: turns per second as a share of a bare echo, in one run.

python -m benchmarks.coach_overhead [seconds per round, 2 if left out] [rounds, 3]

Both are processes of their own on the bedrock-agentcore SDK; the echo returns its payload, the coach runs a turn of
Strands with the offline model, which here takes no time to think. Eight connections, each one session after the other.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import uvloop

CONNECTIONS, TURNS_A_SESSION = 8, 4
COMPANION = Path(__file__).parents[1] / "examples" / "coach-companion"
# not uvicorn's fd=: it takes the socket for a Unix one, which leaves TCP's send delay on
HOST = """
import socket, sys
sys.path.insert(0, ".")
import uvicorn
from main import app
listener = socket.socket()
listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
listener.bind(("127.0.0.1", 0))
listener.listen()
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False)).run(sockets=[listener])
"""
ECHO = """
from bedrock_agentcore import BedrockAgentCoreApp
app = BedrockAgentCoreApp()
app.logger.setLevel("WARNING")
@app.entrypoint
async def handle(payload, context):
    return payload
"""
WORK = {
    "echo": ("echo", {"prompt": "I lost 1 kg this week"}),
    "talk": ("coach", {"prompt": "I feel tired and it is hard to keep going"}),
    "one tool": ("coach", {"prompt": "I lost 1 kg this week"}),
    "one tool, streamed": ("coach", {"prompt": "I lost 1 kg this week", "stream": True}),
}


class Load(asyncio.Protocol):
    """One connection that sends its next turn when the last was answered."""

    answered = 0

    def __init__(self, first, body):
        self.number, self.first, self.body = 0, first, body

    def connection_made(self, transport):
        self.transport = transport
        self.send()

    def send(self):
        session = f"{time.perf_counter_ns()}-{self.first}" if self.number % TURNS_A_SESSION == 0 else self.session
        self.session, self.number, self.data = session, self.number + 1, b""
        head = (
            "POST /invocations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"X-Amzn-Bedrock-AgentCore-Runtime-Session-Id: {session}\r\nContent-Length: {len(self.body)}\r\n\r\n"
        )
        self.transport.write(head.encode() + self.body)

    def data_received(self, data):
        self.data += data
        head, _, body = self.data.partition(b"\r\n\r\n")
        if b"chunked" in head:
            whole = body.endswith(b"0\r\n\r\n")
        else:
            length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
            whole = bool(length) and len(body) >= int(length)
        if whole:
            assert head.startswith(b"HTTP/1.1 200"), self.data
            Load.answered += 1
            self.send()


async def rate(port, body, seconds):
    """Turns per second of all connections together."""
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda first=first: Load(first, body), "127.0.0.1", port)
        for first in range(CONNECTIONS)
    ]
    await asyncio.sleep(seconds / 4)
    begun, before = time.perf_counter(), Load.answered
    await asyncio.sleep(seconds)
    result = (Load.answered - before) / (time.perf_counter() - begun)
    for transport, _ in opened:
        transport.abort()
    return result


@contextmanager
def served(folder):
    """(port, seconds until /ping answered, process) of the application in a folder."""
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", HOST], cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        port = int(process.stdout.readline())
        yield port, time.perf_counter() - begun, process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def resident_mb(process):
    """Memory of a process, or None where the system does not say."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    except OSError:
        return None
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def folders(home):
    """The echo, and the coach without its thinking time."""
    (home / "echo").mkdir()
    (home / "echo" / "main.py").write_text(ECHO, encoding="utf-8")
    sys.path.insert(0, str(COMPANION))
    from build import build

    coach = build("v2", home)
    (coach / "version.toml").write_text('name = "v2"\n[model.pace]\nfirst_ms = 0\npiece_ms = 0\n', encoding="utf-8")
    return {"echo": home / "echo", "coach": coach}


async def measure(ports, seconds, rounds):
    """Every kind of work once per round, so that a busy neighbour disturbs them alike."""
    return [
        {name: await rate(ports[what], json.dumps(body).encode(), seconds) for name, (what, body) in WORK.items()}
        for _ in range(rounds)
    ]


def main():
    """Prints one line per kind of work."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
        started = {name: stack.enter_context(served(folder)) for name, folder in folders(Path(home)).items()}
        before = resident_mb(started["coach"][2])
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        if len(cores) > 1:  # the load has a core, the application the other
            os.sched_setaffinity(0, cores[:1])
            for _, _, process in started.values():
                os.sched_setaffinity(process.pid, cores[1:])
        results = uvloop.run(measure({name: port for name, (port, *_) in started.items()}, seconds, rounds))
        after = resident_mb(started["coach"][2])
    for name in WORK:
        per_s = statistics.median(each[name] for each in results)
        share = statistics.median(each[name] / each["echo"] for each in results)
        print(f"{name:20} {per_s:7,.0f} turns/s  {share:5.2f} of the echo")
    wait = started["coach"][1] / started["echo"][1]
    print(f"imported and bound in {started['coach'][1]:.2f} s, {wait:.1f} times the echo")
    if before and after:
        print(f"memory {before:.0f} MB at the start, {after:.0f} MB with its sessions")


if __name__ == "__main__":
    main()
