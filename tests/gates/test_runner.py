"""Gates against a real HTTP server that misbehaves: what fails says why, what cannot be reached is not a failure."""

import socket

import pytest

from headgate.errors import PlanError, Unavailable
from headgate.gates.runner import HttpGateRunner, Progress

GOOD = "{name: good, turns: [{say: hello}]}"


def only(outcome):
    """The one case of an outcome."""
    (case,) = outcome.cases
    return case


def test_each_case_is_one_conversation_in_its_own_session(run, agent):
    """All turns of a case share a session of an accepted length; no two cases, and no two runs, share one."""
    case = "{name: NAME, turns: [{say: one}, {say: two, expect: [{contains: 'TURN 2'}]}]}"
    for _ in range(2):
        outcome = run(case.replace("NAME", "a"), case.replace("NAME", "b"))
        assert (outcome.passed, outcome.detail) == (True, "2/2 passed")
    sessions = [session for session, _, _ in agent.asked]
    assert [prompt for _, prompt, _ in agent.asked] == ["one", "two"] * 4
    assert sessions[0::2] == sessions[1::2]
    assert len(set(sessions)) == 4
    assert all(33 <= len(session) <= 100 for session in sessions)


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        ("{say: hello, expect: [{contains: bye}]}", 'turn 1: the answer does not contain "bye"'),
        ("{say: hello, expect: [{not_contains: HELLO}]}", 'turn 1: the answer contains "HELLO"'),
        ("{say: hello, expect: [{contains: hidden}]}", 'turn 1: the answer does not contain "hidden"'),
        ("{say: hello, expect: [{regex: '^hello'}]}", "turn 1: the answer does not match /^hello/"),
        ("{say: slow, expect: [{max_seconds: 0.01}]}", "turn 1: took 0."),
        ("{say: hello, expect: [{status: 400}]}", "turn 1: status 200, expected 400"),
        ("{say: refuse}", "turn 1: status 400, expected 200"),
        ("{say: garbage}", "turn 1: the answer is not JSON"),
        ("{say: die}", "turn 1: the connection failed: "),
        ("{say: half}", "turn 1: the connection failed: "),
        ("{say: hang}", "turn 1: no whole answer within 0.2 s"),
        ("{say: drip}", "turn 1: no whole answer within 0.2 s"),
        ("{say: break}", "turn 1: the stream broke off: ToolError"),
        ("{say: flood}", "turn 1: the answer is larger than 4000000 bytes"),
    ],
)
def test_a_bad_answer_fails_its_case_with_the_reason(run, turn, reason):
    """Wrong words, wrong status, garbage, silence, a trickle, a broken stream, a dead connection: each is told."""
    outcome = run(GOOD, f"{{name: bad, turns: [{turn}]}}", top="timeout: 200ms\n")
    good, bad = outcome.cases
    assert good["passed"] is True
    assert (bad["passed"], bad["name"]) == (False, "bad")
    assert bad["detail"].startswith(reason)
    assert outcome.passed is False
    assert outcome.detail == "1/2 passed, 2 needed; failed: bad".replace(", 2 needed", "")


@pytest.mark.parametrize(
    "turn",
    [
        "{say: hello, expect: [{contains: HELLO}, {not_contains: hidden}, {regex: 'hel+o'}, {max_seconds: 5}]}",
        "{say: refuse, expect: [{status: 400}]}",
        "{say: plain, expect: [{contains: plain words}]}",
    ],
)
def test_a_good_answer_passes(run, turn):
    """What is expected may be any of the forms, also an error status."""
    assert run(f"{{name: good, turns: [{turn}]}}").passed


def test_a_stream_is_read_as_one_answer(run, agent):
    """Pieces are joined; what is beside the words (intent, usage) is no part of them."""
    turn = "{say: stream, expect: [{contains: one answer}, {not_contains: hidden}]}"
    assert run(f"{{name: s, stream: true, turns: [{turn}]}}").passed
    assert agent.asked[0][2] is True


def test_a_stream_that_was_asked_for_and_did_not_come(run):
    """JSON where events were asked for is not what the user would see."""
    case = only(run("{name: s, stream: true, turns: [{say: hello}]}"))
    assert case["detail"] == "turn 1: asked for a stream, got application/json"


def test_a_failure_in_mid_conversation_ends_it(run, agent):
    """The third turn fails: it is named, and the fourth is not held."""
    turns = ", ".join("{say: third}" for _ in range(4))
    case = only(run(f"{{name: long, turns: [{turns}]}}"))
    assert case["detail"] == "turn 3: status 500, expected 200"
    assert len(agent.asked) == 3


def test_what_the_agent_said_is_kept_redacted(run):
    """A failed case quotes the answer without addresses and secrets; a good one quotes nothing."""
    case = only(run("{name: bad, turns: [{say: refuse}]}"))
    assert case["excerpt"] == "payload: token=[secret] of [e-mail]"
    assert "excerpt" not in only(run(GOOD))


def test_tokens_that_the_agent_tells_are_summed(run):
    """What the conversations used; an agent that tells nothing of it has used nothing that is known."""
    told = run("{name: a, turns: [{say: one}, {say: two}]}", GOOD)
    assert told.measures["usage"] == {"input_tokens": 3, "output_tokens": 0}
    silent = "{name: no, turns: [{say: refuse, expect: [{status: 400}]}]}"
    assert "usage" not in run(silent).measures


def test_fewer_may_be_required(run):
    """1/2: one may fail, and the outcome still says which."""
    bad = "{name: bad, turns: [{say: die}]}"
    outcome = run(GOOD, bad, require_passed=1, require_total=2)
    assert (outcome.passed, outcome.detail) == (True, "1/2 passed, 1 needed; failed: bad")
    assert not run(GOOD, bad, require_passed=2, require_total=2).passed


def test_a_count_that_is_not_the_suites_fails(run):
    """5/5 of a suite of one is not passed, whatever the one says."""
    outcome = run(GOOD, require_passed=5, require_total=5)
    assert (outcome.passed, outcome.detail) == (False, "1/1 passed, but the plan counts on 5 cases")


def closed_port():
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_an_agent_that_nobody_reaches_is_no_failure(run):
    """Every case without a connection: Unavailable, which may be tried again; not a candidate that failed."""
    with pytest.raises(Unavailable, match="cannot be reached") as told:
        run(GOOD, GOOD.replace("good", "other"), url=f"http://127.0.0.1:{closed_port()}")
    assert told.value.retry
    with pytest.raises(Unavailable):
        run(GOOD, url=f"http://127.0.0.1:{closed_port()}", sessions=5)


def test_a_dead_connection_is_a_failure_though(run):
    """The agent was there and hung up: that is the candidate's."""
    assert not run("{name: bad, turns: [{say: die}]}").passed


def test_a_broken_suite_is_refused_before_anything_is_said(run, agent):
    """File, line and column of the frozen text."""
    with pytest.raises(PlanError, match=r"smoke\.yaml:2:24: cases\.0\.turns\.0\.sya: unknown key\. Did you mean `say`"):
        run("{name: a, turns: [{sya: hi}]}")
    assert agent.asked == []


def test_progress_is_told_of_each_case(run):
    """In order, as they end."""
    told = []
    progress = Progress(case=lambda result: told.append(result.name))
    run(GOOD, GOOD.replace("good", "next"), runner=HttpGateRunner(progress=progress))
    assert told == ["good", "next"]


def test_load_holds_so_many_sessions_at_the_same_time(run, agent):
    """40 sessions over two cases, in turn; as many at once as there are users."""
    slow = "{name: NAME, turns: [{say: slow NAME}, {say: slow NAME}]}"
    outcome = run(slow.replace("NAME", "a"), slow.replace("NAME", "b"), sessions=40, users=16, p95_s=10.0)
    assert outcome.passed
    assert outcome.detail.startswith("40 sessions, 100.0% good (needed 100.0%), p95 of a turn 0.")
    assert outcome.cases == ()
    prompts = [prompt for _, prompt, _ in agent.asked]
    assert (prompts.count("slow a"), prompts.count("slow b")) == (40, 40)
    assert len({session for session, _, _ in agent.asked}) == 40
    assert 2 <= agent.most <= 16


def test_load_is_judged_by_its_success_rate(run):
    """A quarter of the sessions fail: 75 % are enough, 76 % are not."""
    cases = [GOOD, GOOD.replace("good", "g2"), GOOD.replace("good", "g3"), "{name: bad, turns: [{say: refuse}]}"]
    assert run(*cases, sessions=40, success_rate=0.75).passed
    outcome = run(*cases, sessions=40, success_rate=0.76)
    assert not outcome.passed
    assert len(outcome.cases) == 10
    assert {case["name"] for case in outcome.cases} == {"bad"}
    assert not run(*cases, sessions=40).passed, "left out, all must be good"


def test_load_is_judged_by_its_slow_turns(run):
    """Every turn takes 50 ms or more: a p95 of 40 ms is not met, of 10 s it is."""
    slow = "{name: slow, turns: [{say: slow}]}"
    assert not run(slow, sessions=20, p95_s=0.04).passed
    assert run(slow, sessions=20, p95_s=10.0).passed
