"""Coach Companion released by what its users said: the example's plan, with a replay gate and online quality, through a
whole `headgate up`, its times shortened. A good version goes to the end, one that says less is caught by the replay.
"""

import re
import sys
import threading
from pathlib import Path

import httpx
import pytest
from headgate_stack import eventually, up

from headgate.cli.driver import TrafficOptions, drive

COMPANION = Path(__file__).parents[2] / "examples" / "coach-companion"
QUICK_STEPS = """  steps:
    - {weight: 50, bake: 1s, min_sessions: 10, within: 90s, margins: {error: +30pp, quality: -0.4}}
    - {weight: 100, bake: 1s, min_sessions: 5, within: 60s, margins: {error: +30pp, quality: -0.4}}
  on_rollback"""


def plan_of(version, folder, replay=40):
    """The example's plan for a version, cut down to a test's length: what takes hundreds of sessions to show (times,
    few errors), and its smoke gate, are shown elsewhere.
    """
    text = (COMPANION / "headgate-quality.yaml").read_text(encoding="utf-8")
    text = re.sub(r"  steps:\n.*?  on_rollback", QUICK_STEPS, text, flags=re.DOTALL)
    text = text.replace("{idle: 2s, turns: 6}", "{idle: 500ms, turns: 3}")
    text = re.sub(r"  - {name: smoke.*\n", "", text).replace("replay: 40", f"replay: {replay}")
    text = text.replace("latency_p95: x2, quality", "quality").replace('"< 5%"', '"< 30%"')
    text = re.sub(r"window: .*", "window: [{until: 4h, every: 1h}]", text)
    text = text.replace("./build/v2", str(COMPANION / "build" / version)).replace("suites/", f"{COMPANION}/suites/")
    path = folder / f"{version}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """v1 of the coach behind the gateway, and users who agree to being recorded."""
    sys.path.insert(0, str(COMPANION))
    from build import build

    for version in ("v1", "v2", "lower-quality"):
        build(version)
    base = tmp_path_factory.mktemp("quality")
    with up(base / "home", base, plan_of("v1", base)) as running:
        stop = threading.Event()
        options = TrafficOptions(
            url=running.gateway,
            agent_arn=running.arn,
            sessions=None,
            duration_s=600,
            rate=12.0,
            turns=(2, 3),
            think_s=0.05,
            workers=12,
            consent=True,
        )
        users = threading.Thread(target=drive, args=(options, None, stop), daemon=True)
        users.start()
        try:
            yield running
        finally:
            stop.set()
            users.join(60)


def recorded(stack):
    """How many sessions the gateway has kept, of the newest 40."""
    admin = stack.ready["parts"]["gateway"]["admin"]
    token = (stack.home / "admin.token").read_text(encoding="ascii").strip()
    asked = {"Authorization": f"Bearer {token}"}
    return len(
        httpx.get(f"{admin}/recordings/{stack.agent}", params={"latest": 40}, headers=asked).json()["recordings"]
    )


def test_one_that_says_less_fails_the_replay_of_what_users_said(stack):
    """Both versions hear the recorded sessions, tools stubbed; it is worse in nearly all, and nobody ever meets it."""
    assert eventually(lambda: recorded(stack) >= 12)
    made = stack.json("rollout", "start", str(plan_of("lower-quality", stack.folder, replay=12)))["id"]
    done = stack.until(made, "failed", "paused", "completed", "rolled_back")
    assert done["phase"] == "failed", done["reason"]
    assert done["reason"].startswith("gate replay failed: 12 sessions on both: worse in ")
    assert done["variants"]["candidate"]["sessions"] == 0


def test_a_good_one_is_released_by_what_its_users_said(stack):
    """The replay finds it no worse, each step waits for its scores, and less quality than the margin is excluded."""
    assert eventually(lambda: recorded(stack) == 40)
    plan = plan_of("v2", stack.folder)
    code, out, err = stack.call("plan", "explain", str(plan), "--rate", "600")
    assert code == 0, err
    assert "what changes: code, prompt; the same: environment, tools, guardrail, memory; not known: model" in " ".join(
        out.split()
    )
    made = stack.json("rollout", "start", str(plan))["id"]
    done = stack.until(made, "completed", "paused", "rolled_back", "failed")
    assert done["phase"] == "completed", done["reason"]
    passed = [r.body for r in stack.store.read(made, kinds=("evidence.look",)) if r.body["verdict"]["answer"] == "PASS"]
    (quality,) = [m for m in passed[-1]["data"]["metrics"] if m["metric"] == "quality"]
    assert quality["margin_proven"]
    scores = [score for _, score in stack.store.scores(stack.agent)]
    assert {score.version for score in scores} >= {done["baseline"], done["candidate"]}
    assert "prompt" in done["changes"]["changed"]
    assert {"model", "tools", "guardrail", "memory"} <= set(done["changes"]["same"])
    assert done["drifts"] == []
