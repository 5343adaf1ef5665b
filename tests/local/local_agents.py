"""Agents small enough to read, as files for a runtime to run."""

import textwrap

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
