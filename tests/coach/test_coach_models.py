"""Coach Companion on the models of others: Amazon Bedrock through real boto3, and an endpoint that speaks OpenAI's API,
both played by a server on this machine that answers in their wire formats.
"""

import asyncio
import json
import struct
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from coach.app import CoachError
from coach_talk import COMPANION, Talk

ASK = "I want to lose 5 kg in 3 months"
ARGUMENTS = {"goal": "lose 5 kg in 3 months", "kg": 5, "weeks": 13}
SAID = ["Lovely, ", "0.38 kg a week. ", "Take 5 mg of it. ", "More."]


class Handler(BaseHTTPRequestHandler):
    """A model that calls set_goal first and talks then; keeps what it was sent."""

    def do_POST(self):
        self.server.asked.append((self.path, dict(self.headers), json.loads(self.rfile.read(self.content_length()))))
        status, kind, body = self.server.answer(self.server.asked)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def content_length(self):
        return int(self.headers["Content-Length"])

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    """Starts a server that answers so; the server has `asked` and `url`."""
    running = []

    def start(answer):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.answer, server.asked = answer, []
        server.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def coach(tmp_path):
    """A coach with the prompt of version 1 and the model of some lines of TOML."""

    def make(model):
        (tmp_path / "version.toml").write_text(f'name = "trial"\n[model]\n{model}\n')
        (tmp_path / "prompt.md").write_text((COMPANION / "versions" / "v1" / "prompt.md").read_text())
        return Talk(tmp_path)

    return make


def check(answer, asked):
    """The tool was called with what the model said, the words came through the guards, the usage is of both calls."""
    assert answer["tools"] == [{"name": "set_goal", "ok": True}]
    assert answer["response"].startswith("Lovely, 0.38 kg a week. I cannot say anything about how much")
    assert "5 mg" not in answer["response"]
    assert answer["cycles"] == len(asked) == 2
    assert answer["usage"]["input_tokens"] == 300
    assert answer["usage"]["output_tokens"] == 30


# --- OpenAI's chat completions


def openai_events(asked):
    """The chunks of one answer."""
    if len(asked) == 1:
        call = {"index": 0, "id": "call-1", "type": "function", "function": {"name": "set_goal", "arguments": ""}}
        text = json.dumps(ARGUMENTS)
        deltas = [{"role": "assistant", "tool_calls": [call]}]
        deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": part}}]} for part in (text[:9], text[9:])]
        reason = "tool_calls"
    else:
        deltas, reason = [{"role": "assistant", "content": ""}, *({"content": said} for said in SAID)], "stop"
    chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    usage = {"prompt_tokens": 100 * len(asked), "completion_tokens": 10 * len(asked), "total_tokens": 110 * len(asked)}
    chunks.append({"choices": [], "usage": usage})
    common = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "any"}
    lines = [f"data: {json.dumps(common | chunk)}\n\n" for chunk in chunks]
    return 200, "text/event-stream", "".join([*lines, "data: [DONE]\n\n"]).encode()


def test_an_endpoint_that_speaks_openai(serve, coach, monkeypatch):
    """Prompt, notes, tools and key arrive there; a tool is called and its result sent back."""
    server = serve(openai_events)
    monkeypatch.setenv("SOME_KEY", "k-123")
    talk = coach(f'provider = "openai"\nid = "llama-any"\nbase_url = "{server.url}/v1"\nkey_env = "SOME_KEY"')
    check(talk(ASK, name="Ada"), server.asked)
    path, headers, first = server.asked[0]
    assert (path, headers["Authorization"], first["model"]) == ("/v1/chat/completions", "Bearer k-123", "llama-any")
    assert {tool["function"]["name"] for tool in first["tools"]} == {
        "set_goal",
        "log_progress",
        "convert_units",
        "check_safety",
    }
    system = json.dumps(first["messages"][0])
    assert "You are Coach Companion" in system
    assert "name: Ada" in system
    assert "0.38" in json.dumps(server.asked[1][2]["messages"][-1]), "what the tool said is what the model is told"


def test_a_model_that_is_throttled_is_asked_once(serve, coach):
    """The client is told at once; 40 s of hidden retries would be worse than the answer."""
    server = serve(lambda _asked: (429, "application/json", b'{"error": {"message": "slow down, key k-9"}}'))
    talk = coach(f'provider = "openai"\nid = "any"\nbase_url = "{server.url}/v1"')
    with pytest.raises(CoachError) as told:
        talk(ASK)
    assert "k-9" not in str(told.value)
    assert len(server.asked) == 1


def test_danger_needs_no_model(serve, coach):
    """A model that is down does not stand between a person and a help line."""
    server = serve(lambda _asked: (500, "application/json", b"{}"))
    talk = coach(f'provider = "openai"\nid = "any"\nbase_url = "{server.url}/v1"')
    assert "988" in talk("I want to die")["response"]
    assert server.asked == []


# --- Amazon Bedrock's ConverseStream


def message(kind, body):
    """One message of AWS's event stream."""
    headers = b""
    for name, value in ((":event-type", kind), (":content-type", "application/json"), (":message-type", "event")):
        headers += struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
    payload = json.dumps(body).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    whole = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return whole + struct.pack("!I", zlib.crc32(whole))


def bedrock_events(asked):
    """The events of one answer."""
    events = [("messageStart", {"role": "assistant"})]
    if len(asked) == 1:
        start = {"toolUse": {"toolUseId": "t-1", "name": "set_goal"}}
        events.append(("contentBlockStart", {"contentBlockIndex": 0, "start": start}))
        deltas, reason = [{"toolUse": {"input": json.dumps(ARGUMENTS)}}], "tool_use"
    else:
        deltas, reason = [{"text": said} for said in SAID], "end_turn"
    events += [("contentBlockDelta", {"contentBlockIndex": 0, "delta": delta}) for delta in deltas]
    events += [("contentBlockStop", {"contentBlockIndex": 0}), ("messageStop", {"stopReason": reason})]
    n = len(asked)
    usage = {"inputTokens": 100 * n, "outputTokens": 10 * n, "totalTokens": 110 * n}
    events.append(("metadata", {"usage": usage, "metrics": {"latencyMs": 5}}))
    return 200, "application/vnd.amazon.eventstream", b"".join(message(*event) for event in events)


@pytest.fixture
def aws(monkeypatch):
    """Credentials that open nothing, and no other configuration."""
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ):
        monkeypatch.setenv(name, value)
    return lambda url: monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", url)


def test_amazon_bedrock(serve, coach, aws):
    """Any model id; signed by boto3; one try."""
    server = serve(bedrock_events)
    aws(server.url)
    talk = coach('provider = "bedrock"\nid = "eu.anthropic.claude-any-v1:0"\nregion = "eu-west-1"')
    check(talk(ASK), server.asked)
    path, headers, first = server.asked[0]
    assert path == "/model/eu.anthropic.claude-any-v1%3A0/converse-stream"
    assert "AWS4-HMAC-SHA256" in headers["Authorization"]
    assert "You are Coach Companion" in json.dumps(first["system"])
    assert len(first["toolConfig"]["tools"]) == 4


def test_a_bedrock_that_fails_is_asked_once(serve, coach, aws):
    """The client is told at once."""
    server = serve(lambda _asked: (503, "application/json", b'{"message": "down"}'))
    aws(server.url)
    with pytest.raises(CoachError):
        coach('provider = "bedrock"\nid = "any"\nregion = "eu-west-1"')(ASK)
    assert len(server.asked) == 1


def test_the_offline_model_only_talks():
    """What it cannot do it says."""
    from coach.offline import OfflineModel
    from coach.settings import Pace

    with pytest.raises(NotImplementedError, match="only talks"):
        OfflineModel(Pace()).structured_output(dict, [])
    assert asyncio.run(OfflineModel(Pace()).count_tokens([])) == 0
