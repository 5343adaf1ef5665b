"""Agents small enough to read, as files for a runtime to run."""

import textwrap
import time

import httpx

CERTIFICATES = httpx.create_ssl_context()  # loaded once: httpx would do it anew for every call
ROLE = "arn:aws:iam::000000000000:role/agents"

ECHO = """
    import asyncio, os
    from bedrock_agentcore import BedrockAgentCoreApp

    app = BedrockAgentCoreApp()
    MARK = "one"


    @app.entrypoint
    async def handle(payload, context):
        if payload.get("fail"):
            raise RuntimeError("words that no client should see")
        if payload.get("die"):
            os._exit(7)
        if payload.get("stream"):
            return events(payload["stream"])
        await asyncio.sleep(payload.get("sleep", 0))
        seen = {"mark": MARK, "session": context.session_id, "headers": context.request_headers}
        return {"payload": payload, "pid": os.getpid(), "env": dict(os.environ), "cwd": os.getcwd(), **seen}


    async def events(count):
        for number in range(count):
            yield {"number": number}
            await asyncio.sleep(0.15)


    if __name__ == "__main__":
        app.run()
"""
BROKEN = """
    raise SystemExit("no model is configured")
"""
SILENT = """
    import time
    time.sleep(600)
"""
SLOW = (
    """
    import time
    time.sleep(1.5)
"""
    + ECHO
)


def write(folder, text, name="main.py"):
    """An agent's directory with one file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(textwrap.dedent(text), encoding="utf-8")
    return folder


def asked(source, name="agent", **more):
    """The parameters of CreateAgentRuntime."""
    return {"agentRuntimeName": name, "agentRuntimeArtifact": artifact(source), "roleArn": ROLE, **more}


def artifact(source, entry="main.py"):
    """Code for the local runtime."""
    place = {"s3": {"bucket": "local", "prefix": str(source)}}
    return {"codeConfiguration": {"code": place, "runtime": "PYTHON_3_11", "entryPoint": [entry]}}


def until(condition, what, seconds=30.0):
    """Poll until it holds and return what it gave; the deadline is generous, never the machine's speed."""
    end = time.perf_counter() + seconds
    while not (value := condition()):
        assert time.perf_counter() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)
    return value


def ready(control, id, name):
    """Wait until an endpoint has settled, and return it; it must be READY."""
    endpoint = settled(control, id, name)
    assert endpoint["status"] == "READY", endpoint
    return endpoint


def settled(control, id, name):
    """Wait until an endpoint is neither CREATING nor UPDATING, and return it."""

    def look():
        endpoint = control.get_agent_runtime_endpoint(agentRuntimeId=id, endpointName=name)
        return None if endpoint["status"] in {"CREATING", "UPDATING"} else endpoint

    return until(look, f"{name} settles")


def behind(runtime, id, number):
    """The extension's look behind a version."""
    return httpx.get(f"{runtime.url}/headgate/runtimes/{id}/versions/{number}", verify=CERTIFICATES).json()


def alive(pid):
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
