"""Each bad version of Coach Companion is a test of the whole product: what must catch it does, and what comes before
lets it through. docs/coach-companion.md has the same table for readers, and is held to this one.
"""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from coach_farm import recorded, served
from coach_talk import COMPANION, quick

from headgate.config.plan_file import load_plan
from headgate.controller.replay import replay
from headgate.core.model import Phase
from headgate.core.plan import Gate, Margin, Validation, WindowPhase
from headgate.gates.runner import HttpGateRunner
from headgate.testing.fake_sessions import Recording
from headgate.testing.simulation import Simulation

PAGE = Path(__file__).parents[2] / "docs" / "coach-companion.md"
SUITES = ("smoke", "integration", "security", "load")
# version -> the first gate that must fail, in the order of the plan
AT_A_GATE = {
    "gives-a-dose": "smoke",
    "forgets-session": "smoke",
    "loops": "smoke",
    "tool-errors": "integration",
    "lower-quality": "integration",
    "v3": "integration",
    "leaks-prompt": "security",
    "dies": "load",
}
# version -> (the guardrail that must speak, the highest weight that it may reach)
IN_THE_CANARY = {
    "v3": ("error", 10),
    "slow-first-token": ("latency", 10),
    "double-tokens": ("cost", 10),
    "slow-tail": ("latency", 10),
    "decays": ("latency", 10),
}
# what neither a gate nor a comparison sees: version -> what must breach the window
IN_THE_WINDOW = {"fades": "alarms"}
# versions that the other suites catch too: by the scores of what users said
BY_QUALITY = ("lower-quality",)
QUICK_LOAD = "load: {users: 24, sessions: 24, success_rate: 99%, p95: 10s, p99: 20s, first_token: 10s}"


def outcome(name, url):
    """One of the example's suites, run for real; the load without the pauses of people."""
    text = (COMPANION / "suites" / f"{name}.yaml").read_text(encoding="utf-8")
    text = re.sub(r"^load: .*$", QUICK_LOAD, text, flags=re.MULTILINE)
    return HttpGateRunner(at_once=6).run(Gate(name, f"{name}.yaml", text, ""), url)


def run_until_one_fails(url, suites=SUITES):
    """(the first suite that failed or "", its outcome), as the gates of a plan are run."""
    told = None
    for name in suites:
        told = outcome(name, url)
        if not told.passed:
            return name, told
    return "", told


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_good_version_passes_every_gate(version, tmp_path):
    """Otherwise what follows would prove nothing."""
    with served(quick(version, tmp_path)) as url:
        failed, told = run_until_one_fails(url)
    assert failed == "", told.detail


@pytest.mark.parametrize("version", AT_A_GATE)
def test_a_gate_catches_it_before_any_user_sees_it(version, tmp_path):
    """The gates before it let it through, so each of the four is needed."""
    with served(quick(version, tmp_path)) as url:
        failed, told = run_until_one_fails(url)
    assert failed == AT_A_GATE[version], told.detail
    if said := re.search(rf"^\| `{version}` .*?(\d+) of 21", PAGE.read_text(encoding="utf-8"), re.MULTILINE):
        assert told.detail.startswith(f"{said[1]}/21 passed")


def test_v3_has_the_number_of_the_status_document(tmp_path):
    """18 of 21 is 85.7 %, which was called passed there. It is a range, from 67 %, and here it is not enough."""
    with served(quick("v3", tmp_path)) as url:
        told = outcome("integration", url)
    assert not told.passed
    assert told.detail.startswith("18/21 passed (85.7%")
    assert "67.1%" in told.detail


@pytest.mark.parametrize("version", ["double-tokens", "decays"])
def test_what_only_users_can_tell_passes_the_gates(version, tmp_path):
    """Right words at a price, or for a while: no suite of conversations finds that. Live comparison must."""
    with served(quick(version, tmp_path)) as url:
        failed, told = run_until_one_fails(url, SUITES[:3])
    assert failed == "", told.detail


@pytest.mark.parametrize("version", ["slow-first-token", "slow-tail"])
def test_what_is_slow_is_within_the_limits_of_a_gate(version):
    """A gate's limit is absolute, and 0.3 s more is within any: only beside the baseline is it ten times slower."""
    with served(COMPANION / "build" / version) as url:
        assert outcome("smoke", url).passed


@pytest.fixture(scope="module")
def recordings():
    """Sessions of every version that the canary must judge, and of the good ones, as the versions themselves live."""
    from build import build

    names = ["v1", "v2", *IN_THE_CANARY]
    return recorded({name: build(name) for name in names}, 40)


def released(recordings, version, seed=0):
    """The real controller, core and analysis release a version over v1 by the full plan, on recorded sessions."""
    plan = load_plan(COMPANION / "headgate-full.yaml").plan
    v1 = replace(recordings["v1"], again=40)
    sim = Simulation(seed=seed, laws={"1": v1, "2": recordings[version]}, sessions_per_minute=40.0, turn_s=20.0)
    sim.sessions.grain_s = 20
    sim.serve(replace(plan, platform=replace(plan.platform, settings=(("source", "./v1"),))))
    sim.run_turns(20)
    window = Validation((WindowPhase(600.0, 60.0),), plan.validation.criteria)
    sim.release(replace(plan, platform=replace(plan.platform, settings=(("source", "./v2"),)), validation=window))
    ended = sim.run_to_the_end(24 * 3600.0)
    return sim, ended


@pytest.mark.parametrize("version", IN_THE_CANARY)
def test_the_canary_takes_it_back(recordings, version):
    """By the guardrail that is about what is bad in it, at no more than the weight of the table, without a person."""
    guardrail, highest = IN_THE_CANARY[version]
    sim, ended = released(recordings, version)
    assert ended.phase is Phase.ROLLED_BACK, sim.reasons()[-1]
    assert guardrail in ended.rollback.reason
    assert max(sim.weights()) <= highest
    assert ended.rollback.debt == 0
    assert replay(sim.records()).differing == ()


def test_the_canary_lets_the_good_one_through(recordings):
    """v2 over v1, on the same plan and the same traffic."""
    sim, ended = released(recordings, "v2")
    assert ended.phase is Phase.COMPLETED, sim.reasons()[-1]
    assert max(sim.weights()) == 100.0


def test_the_window_takes_back_what_began_well(tmp_path):
    """As good as its baseline through gates and steps; at 100 %, beside nothing, the alarms of the window catch it."""
    from build import build

    with served(quick("fades", tmp_path)) as url:
        assert outcome("smoke", url).passed
    plan = load_plan(COMPANION / "headgate.yaml").plan
    wide = (Margin("error", 0.25, ratio=False), Margin("latency_p95", 4.0, ratio=True))
    steps = tuple(replace(step, margins=wide, within_s=900.0) for step in plan.steps[1:])
    window = replace(plan.validation, speed=60.0)
    law = recorded({"fades": build("fades")}, 150)["fades"]
    # the version before it lives as this one does while it is well
    laws = {"1": Recording(law.sessions[:60]), "2": law}
    sim = Simulation(laws=laws, sessions_per_minute=240.0)
    sim.serve(replace(plan, platform=replace(plan.platform, settings=(("source", "./v1"),))))
    sim.run_turns(60)
    there = replace(plan.platform, settings=(("source", "./v2"),))
    sim.release(replace(plan, platform=there, steps=steps, validation=window))
    ended = sim.run_to_the_end()
    assert ended.phase is Phase.ROLLED_BACK, sim.reasons()[-1]
    assert max(sim.weights()) == 100.0
    assert ended.window is not None
    assert ended.rollback.reason.startswith(f"{IN_THE_WINDOW['fades']} ")
    assert "latency-p95" in ended.rollback.reason


def test_every_bad_version_is_in_a_table():
    """A version that nothing is asked to catch would be caught by nothing."""
    from build import names

    assert set(names()) == {"v1", "v2", *AT_A_GATE, *IN_THE_CANARY, *IN_THE_WINDOW}


def test_the_page_has_the_same_table():
    """docs/coach-companion.md: a row for each, with what catches it and at which exposure."""
    rows = dict(re.findall(r"^\| `([\w-]+)` \| .*? \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    for version, gate in AT_A_GATE.items():
        assert f"{gate} gate" in rows[version]
        assert "| none" in rows[version]
    for version, (guardrail, highest) in IN_THE_CANARY.items():
        assert f"canary, {guardrail}" in rows[version]
        assert f"{highest} %" in rows[version]
    for version, criterion in IN_THE_WINDOW.items():
        assert f"validation window, {criterion}" in rows[version]
        assert "100 %" in rows[version]
    for version in BY_QUALITY:
        assert "replay gate" in rows[version]
        assert "online quality" in rows[version]
