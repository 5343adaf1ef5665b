"""What the load engine of gates and `headgate traffic` holds, on one core, in one process.

python -m benchmarks.load_engine [seconds of each round, 3]

Turns per second against a server that answers at once, as a share of what `wrk` gets from the same server in the same
run (where wrk is installed; it only moves bytes, the engine reads every answer as an agent's); and 1,000 streaming
sessions at once, of which each event is read. The server has a core of its own where there are two.
"""

import asyncio
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import uvloop

from headgate.gates import load
from headgate.gates.conversation import Said, Target, ask
from headgate.gates.holding import new_session
from headgate.gates.wire import Wire

USERS, STREAMS, EVENTS, GAP_S = 48, 1000, 20, 0.1
ANSWER = b'{"response": "' + b"y" * 400 + b'", "usage": {"input_tokens": 120, "output_tokens": 80}}'
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b'data: {"text": "one or two words "}\n\n'


SAID = Said.prompt("x" * 180, stream=False)


class Agent(asyncio.Protocol):
    """Answers at once, or, asked for a stream, with EVENTS events in EVENTS x GAP_S seconds."""

    def connection_made(self, transport):
        self.transport, self.data = transport, b""

    def data_received(self, data):
        self.data += data
        head, mark, body = self.data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if not mark or len(body) < (int(length[1]) if length else 0):
            return
        streamed, self.data = b'"stream": true' in body, b""
        if streamed:
            self.transport.write(HEAD)
            self.tell(EVENTS)
        else:
            self.transport.write(WHOLE)

    def tell(self, left):
        if left:
            self.transport.write(b"%x\r\n%b\r\n" % (len(EVENT), EVENT))
            asyncio.get_running_loop().call_later(GAP_S, self.tell, left - 1)
        else:
            self.transport.write(b"0\r\n\r\n")


async def serve():
    server = await asyncio.get_running_loop().create_server(Agent, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def drive(url, arrive, *, stream):
    """(what the engine saw, CPU seconds of this process)."""

    async def work():
        target, tally = Target.of(url), load.Tally()
        said = Said.prompt("x" * 180, stream=True) if stream else SAID
        async with Wire() as wire:

            async def hold(_number):
                session = new_session()
                for _ in range(1 if stream else 20):
                    answer = await ask(wire, target, session, said, timeout=60.0)
                    tally.turn(answer.kind, answer.seconds, answer.first_s)
                tally.session(session, set(), good=not answer.kind)

            return await load.drive(hold, arrive, tally)

    before = time.process_time()
    report = load.run(work())
    return report, time.process_time() - before


def wrk(url, seconds):
    """(requests per second, CPU seconds) of wrk with the same request, a thread, as many connections; None: no wrk."""
    if not shutil.which("wrk"):
        return None
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f"wrk.method, wrk.body = 'POST', '{SAID.body.decode()}'\n")
        script.write("wrk.headers['Content-Type'], wrk.headers['Accept'] = 'application/json', 'application/json'\n")
        script.flush()
        command = ["wrk", "-t1", f"-c{USERS}", f"-d{max(1, int(seconds))}s", "-s", script.name, f"{url}/invocations"]
        before = os.times()
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]), used


def main():
    """Prints one line per measure."""
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(serve())
        return
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    with subprocess.Popen([sys.executable, "-m", "benchmarks.load_engine", "serve"], stdout=subprocess.PIPE) as server:
        try:
            url = f"http://127.0.0.1:{int(server.stdout.readline())}"
            if len(cores) > 1:
                os.sched_setaffinity(server.pid, cores[-1:])
                os.sched_setaffinity(0, cores[:1])
            report, cpu = drive(url, load.Users(USERS, USERS, soak_s=seconds), stream=False)
            told = f"{report.turns_per_s:9,.0f}/s on one core ({report.failed} failed)"
            print(f"turns       {told}, {cpu / report.seconds:.0%} busy")
            mine, beside = report.turns / max(cpu, 1e-9), wrk(url, seconds)
            told = "not installed: not measured"
            if beside is not None:
                rate, used = beside
                each = rate * max(1, int(seconds)) / max(used, 1e-9)
                told = f"{rate:9,.0f}/s with the same request. Per second of CPU {each:,.0f}, the engine {mine:,.0f}:"
                told += f" {mine / each:.3f} of it"
            print(f"wrk         {told}")
            report, cpu = drive(url, load.Users(STREAMS, 2 * STREAMS), stream=True)
            late = report.latency["p99"] / (EVENTS * GAP_S)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            events = report.turns * EVENTS / report.seconds
            print(
                f"streams     {report.peak} at once in one process, {events:,.0f} events/s,"
                f" {report.failed} failed, p99 of a stream {late:.2f} of its own length,"
                f" {cpu / report.seconds:.0%} of one core, {memory} MB"
            )
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
