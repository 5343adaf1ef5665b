"""What a version of the coach says that it is made of; that this changes when a store or an alias does, and that the
controller hears of it; and that a replay's tools change nothing.
"""

import json
from contextlib import nullcontext
from dataclasses import replace

import httpx
import pytest
from coach_farm import served
from coach_talk import Talk, quick

from headgate.config.parts_file import parts_of
from headgate.core.identity import Identity, Sameness, Watched, compare, values
from headgate.core.model import Phase, Version
from headgate.core.plan import Gate
from headgate.errors import PlanError, Unavailable
from headgate.gates.conversation import STUB_TOOLS
from headgate.gates.replay import HttpReplayer
from headgate.platforms.agentcore.aws import built_of
from headgate.platforms.telling import HttpTeller
from headgate.stats.observations import Recording
from headgate.testing.contracts_teller import TellerContract
from headgate.testing.simulation import Simulation, simulation_plan

SESSION = {"X-Amzn-Bedrock-AgentCore-Runtime-Session-Id": "s" * 33}
NO_WAY = HttpTeller(nullcontext)


def built(name, into):
    """What the local runtime says that a version was built of."""
    from build import build

    return Identity(built=values(parts_of(build(name, into))))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A prompt store and a table of aliases, as files."""
    folder = tmp_path_factory.mktemp("store")
    (folder / "aliases.toml").write_text('live = "offline-1"\n')
    return folder


@pytest.fixture(scope="module")
def url(store, tmp_path_factory):
    """A version whose model is an alias and whose prompt may come from a store."""
    folder = quick("v1", tmp_path_factory.mktemp("live"))
    text = (folder / "version.toml").read_text(encoding="utf-8")
    (folder / "version.toml").write_text(text.replace('"offline-1"', '"live"'), encoding="utf-8")
    with served(folder, COACH_PROMPTS=str(store), COACH_ALIASES=str(store / "aliases.toml")) as it:
        yield it


def test_a_build_says_which_part_changed(tmp_path):
    """v2 has another prompt; a version that is bad in its code has another code; which model is not in the files."""
    found = {each.part: each.answer for each in compare(built("v1", tmp_path), built("v2", tmp_path))}
    assert found["prompt"] is Sameness.CHANGED
    assert {found[part] for part in ("tools", "guardrail", "memory")} == {Sameness.SAME}
    assert found["model"] is Sameness.UNKNOWN
    found = {each.part: each.answer for each in compare(built("v1", tmp_path), built("tool-errors", tmp_path))}
    assert (found["code"], found["prompt"]) == (Sameness.CHANGED, Sameness.SAME)


def test_a_parts_file_that_is_wrong_is_refused_with_its_line(tmp_path):
    """A pattern that fits nothing would make a part that never changes; an unknown part is a slip."""
    (tmp_path / "main.py").touch()
    (tmp_path / "headgate-parts.yaml").write_text("prompt: [no-such.md]\n")
    with pytest.raises(PlanError, match=r"headgate-parts.yaml:1:10: prompt.0: no file is 'no-such.md'"):
        parts_of(tmp_path)
    (tmp_path / "headgate-parts.yaml").write_text("promt: [main.py]\n")
    with pytest.raises(PlanError, match="promt"):
        parts_of(tmp_path)


def test_it_says_what_it_is_made_of_at_ping_and_when_it_is_asked(url):
    """The same either way; nothing of it is said to somebody who talks."""
    at_ping = httpx.get(f"{url}/ping").json()
    asked = httpx.post(f"{url}/invocations", json={"headgate": "identity"}, headers=SESSION).json()
    assert at_ping["status"] == "Healthy"
    assert at_ping["identity"] == asked["identity"] == NO_WAY.told(Version("1", "", url), ask=False)
    assert set(asked["identity"]) == {"prompt", "model", "tools", "guardrail", "memory"}
    assert asked["identity"]["model"] == "offline:offline-1"


def test_where_no_ping_is_reached_it_is_asked_if_the_plan_says_so(url):
    """As on AgentCore: the request goes the way that turns go, and never to an agent that might take it for one."""
    there = HttpTeller(lambda _: nullcontext(url))
    version = Version("1", "", "agentcore+https://example.invalid/arn")
    assert there.told(version, ask=True)["model"] == "offline:offline-1"
    assert there.told(version, ask=False) == {}
    with pytest.raises(Unavailable, match="version 1 does not say what it is"):
        HttpTeller(lambda _: nullcontext("http://127.0.0.1:9")).told(version, ask=True)


def test_what_agentcore_tells_of_a_version():
    """Code in S3 by its object's version, an image by its digest, and all that it is started with in one digest."""
    s3 = {"bucket": "b", "prefix": "headgate/coach/abc.zip", "versionId": "v7"}
    code = {"codeConfiguration": {"code": {"s3": s3}, "runtime": "PYTHON_3_12", "entryPoint": ["main.py"]}}
    one = dict(built_of({"agentRuntimeArtifact": code, "environmentVariables": {"MODEL_ID": "a"}}))
    assert one["code"] == "headgate/coach/abc.zip/v7"
    other = dict(built_of({"agentRuntimeArtifact": code, "environmentVariables": {"MODEL_ID": "b"}}))
    assert (one["code"], one["environment"] == other["environment"]) == (other["code"], False)
    uri = "1.dkr.ecr.eu-west-1.amazonaws.com/coach@sha256:" + "a" * 64
    image = {"containerConfiguration": {"containerUri": uri}}
    assert dict(built_of({"agentRuntimeArtifact": image}))["code"] == uri
    assert "code" not in dict(built_of({}))


def test_an_agent_that_says_nothing_or_nonsense_is_not_known(farm):
    """A /ping without the member, with one of another form, or none at all."""
    assert NO_WAY.told(Version("1", "", farm({"status": "Healthy"})), ask=False) == {}
    odd = {"identity": {"model": 5, "Prompt!": "x", "tools": "t" * 500, "memory": "m"}}
    told = NO_WAY.told(Version("1", "", farm(odd)), ask=False)
    assert (set(told), len(told["tools"])) == ({"tools", "memory"}, 200)
    with pytest.raises(Unavailable):
        NO_WAY.told(Version("1", "", "http://127.0.0.1:9"), ask=False)
    assert NO_WAY.told(Version("1", "", "agentcore+https://x/arn"), ask=False) == {}


class TestHttpTeller(TellerContract):
    """The suite on what is asked over HTTP."""

    @pytest.fixture
    def teller(self):
        return NO_WAY

    @pytest.fixture
    def speaks(self, url):
        return Version("1", "", url), httpx.get(f"{url}/ping").json()["identity"]

    @pytest.fixture
    def silent(self, farm):
        return Version("2", "", farm({"status": "Healthy"}))

    @pytest.fixture
    def away(self):
        return Version("3", "", "http://127.0.0.1:9")


@pytest.fixture
def farm():
    """An HTTP server per answer."""
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    servers = []

    def serve(answer):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_model_that_moves_behind_its_alias_is_heard_of_in_a_rollout(url, store):
    """A real process, asked over HTTP by a real controller under a fake clock: nobody deploys, and the evidence begins
    anew; the baseline's alias is pinned, so a person decides. A prompt that changes in its store is the next one.
    """
    sim = Simulation(sessions_per_minute=240.0)
    sim.platform.move("2", url)
    sim.world.teller.told = lambda version, *, ask: NO_WAY.told(version, ask=ask) if version.number == "2" else {}
    sim.serve(simulation_plan("./v1"))
    sim.run_turns(20)
    sim.release(replace(simulation_plan(), watched=Watched(2.0)))
    sim.run_until(lambda r: r.phase is Phase.STEPPING and r.weight_at is not None)
    sim.run_turns(10)
    (store / "aliases.toml").write_text('live = "offline-2"\n')
    held = sim.run_until(lambda r: r.phase is Phase.PAUSED)
    assert (
        "the candidate changed without a deployment: model (offline:offline-1 -> offline:offline-2)" in held.hold.reason
    )
    assert held.rebased.times == 1
    sim.say("resume")
    sim.run_turns(10)
    (store / "prompt.md").write_text("You are a pirate.")
    held = sim.run_until(lambda r: r.phase is Phase.PAUSED)
    assert "prompt (" in held.hold.reason
    assert [r.body["versions"] for r in sim.records("identity.drift")] == [["2"], ["2"]]
    sim.controller.close()


class Recorded:
    """Implements ports.Recordings: one session, in which somebody reported twice."""

    def latest(self, agent, version, limit):
        said = ["I want to lose 5 kg in 3 months", "I lost 1 kg", "I lost another 0.5 kg"]
        turns = tuple({"payload": {"prompt": each}, "streamed": False, "answer": {}, "failure": ""} for each in said)
        return [Recording(1, "s1", "baseline", "1", 0.0, 0, 0.0, 1.0, turns)] * limit

    def after(self, agent, seq, limit):
        return []


def test_a_replay_that_reaches_a_tool_works_and_changes_nothing(url, tmp_path):
    """The answers say that tools were stubbed; a version whose log is one table of all people keeps it empty."""
    from build import build

    text = "evaluate:\n  - {tool_called: log_progress}\n  - {refused: false}\n"
    gate = Gate("replay", "q.yaml", text, "", replay=10, margin=0.3)
    with served(build("decays", tmp_path)) as decays:
        old, new = Version("1", "", url), Version("2", "", decays)
        outcome = HttpReplayer(Recorded(), None).replay(gate, "coach", old, new)
        assert outcome.passed, outcome.detail
        ask = {"prompt": "I lost 1 kg"}
        replayed = httpx.post(f"{decays}/invocations", json=ask, headers={**SESSION, **STUB_TOOLS}).json()
        live = httpx.post(f"{decays}/invocations", json=ask, headers=SESSION).json()
    assert replayed["tools_stubbed"] is True
    assert replayed["tools"] == [{"name": "log_progress", "ok": True}]
    assert "tools_stubbed" not in live


def test_stubs_run_in_place_of_the_versions_own_tools(tmp_path):
    """What a tool of the version would do outside of the session is not done."""
    from strands import tool

    called = []

    @tool
    async def log_progress(change_kg: float = 0, victory: str = "") -> dict:
        """Log how it is going."""
        called.append(change_kg)
        return {"status": "success", "content": [{"text": "ok"}]}

    talk = Talk(quick("v1", tmp_path), tools=(log_progress,))
    assert talk("I lost 1 kg", session="a")["tools"][0]["name"] == "log_progress"
    assert called == [-1]
    assert talk("I lost 1 kg", session="b", stubbed=True)["tools"][0]["name"] == "log_progress"
    assert called == [-1]
