"""Every kind of check, on an agent that does what it is asked: it passes where it should, and fails with its reason."""

import pytest


def fails_with(run, turn, top=""):
    """The reason for which a case of this one turn fails; "" where it passes."""
    (case,) = run(f"{{name: one, turns: [{turn}]}}", top=top).cases
    return "" if case["passed"] else case["detail"].removeprefix("turn 1: ")


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        ("{say: hello, expect: [{contains_any: [bye, HELLO]}]}", ""),
        ("{say: hello, expect: [{contains_any: [bye, ciao]}]}", 'the answer contains none of "bye", "ciao"'),
        ("{say: hello, expect: [{not_regex: 'b.e'}]}", ""),
        ("{say: hello, expect: [{not_regex: 'h.llo'}]}", 'the answer matches /h.llo/ with "hello"'),
        ("{say: hello, expect: [{json_schema: {required: [response]}}]}", ""),
        (
            "{say: hello, expect: [{json_schema: {properties: {response: {type: integer}}}}]}",
            "the answer does not meet the schema at response: 'turn 1: hello' is not of type 'integer'",
        ),
        ("{say: plain, expect: [{json_schema: {}}]}", "the answer is not JSON"),
        ("{say: hello there, expect: [{similar: {to: 'turn 1: hello there', at_least: 1}}]}", ""),
        ("{say: hello, expect: [{similar: {to: quite another thing}}]}", "similarity 0.00, expected at least 0.5"),
        ("{say: hallo, expect: [{language: de}]}", ""),
        ("{say: hallo, expect: [{language: en}]}", "the answer's language is de, expected en"),
        ("{say: xyzzy, expect: [{language: en}]}", "the answer's language is not to be told, expected en"),
        ("{say: decline, expect: [{refused: true}, {tool_not_called: set_goal}]}", ""),
        ("{say: decline, expect: [{refused: false}]}", "it declined"),
        ("{say: hello, expect: [{refused: true}]}", "it did not decline"),
        ("{say: work, expect: [{tool_called: set_goal}, {max_tokens: 40}]}", ""),
        ("{say: work, expect: [{max_tokens: 39}]}", "40 tokens written, expected at most 39"),
        ("{say: work, expect: [{tool_called: log}]}", "tool log was not called (called: set_goal)"),
        ("{say: work, expect: [{tool_not_called: set_goal}]}", "tool set_goal was called"),
        ("{say: hello, expect: [{tool_not_called: set_goal}]}", "the agent does not tell which tools it called"),
        ("{say: hello, expect: [{max_tokens: 5}]}", "the agent does not tell its tokens"),
        ("{say: hello, expect: [{max_first_token: 5}]}", ""),
        ("{say: slow, expect: [{max_first_token: 0.01}]}", "the first token took 0.0"),
        ("{raw: '{\"prompt\": ', expect: [{status: 400}]}", ""),
        ("{raw: 'a=b', content_type: text/plain, expect: [{status: 200}]}", "status 400, expected 200"),
        ("{payload: {prompt: 5}, expect: [{status_below: 500}]}", ""),
        ("{payload: {prompt: 5}, expect: [{status_below: 422}]}", "status 422, expected one below 422"),
        ("{say: 'ha ', times: 1000, expect: [{regex: '(ha ){900}'}]}", ""),
        ("{raw: 'ha', times: 5000, expect: [{status: 400}, {contains: 10000 bytes}]}", ""),
    ],
)
def test_a_check_and_its_reason(run, turn, reason):
    """Met, or not met and said why; what the agent does not tell is not met."""
    found = fails_with(run, turn)
    assert found.startswith(reason) if reason else found == ""


def test_remembered_is_what_only_this_session_can_know(run):
    """A memory passes; a sentence that a new session says as well is no memory, and no answer is none either."""
    told = "{name: NAME, turns: [{say: my goal is 5 kg}, {say: SAY, expect: [{remembers: 5 kg}]}]}"
    words = [told.replace("NAME", say).replace("SAY", say) for say in ("recall", "parrot", "hello")]
    recall, parrot, forgot = run(*words).cases
    assert recall["passed"]
    assert parrot["detail"] == 'turn 2: a session that was never told says "5 kg" too: that is no memory'
    assert forgot["detail"] == 'turn 2: the answer does not contain "5 kg"'


def test_a_stranger_is_another_session(run, agent):
    """`session` sends a turn elsewhere: there nothing is known of the first one."""
    turns = "[{say: my pin is 1234}, {say: recall, session: thief, expect: [{not_contains: '1234'}]}, {say: recall}]"
    (case,) = run(f"{{name: leak, turns: {turns}}}").cases
    assert case["passed"]
    mine, thief, again = [session for session, _, _ in agent.asked]
    assert mine == again != thief


def test_words_and_tools_of_a_strands_stream(run):
    """Each word is told several times in Strands' own events; it is read once."""
    turn = "{say: whole, expect: [{regex: '^a b $'}, {tool_called: log}]}"
    assert run(f"{{name: s, stream: true, turns: [{turn}]}}").passed


def test_the_context_goes_with_what_is_said(run, agent):
    """The case's own over the suite's."""
    bodies = []
    agent.on_body = bodies.append
    outcome = run("{name: c, context: {b: 2}, turns: [{say: hello}]}", top="context: {a: 1, b: 1}\n")
    assert outcome.passed
    assert bodies == [{"prompt": "hello", "user_context": {"a": 1, "b": 2}}]


def test_a_failed_conversation_is_kept_redacted(run):
    """All turns of it, without what names or opens anything."""
    (case,) = run("{name: bad, turns: [{say: hello from ada@example.com}, {say: refuse}]}").cases
    assert case["conversation"] == [
        {"user": "hello from [e-mail]", "agent": "turn 1: hello from [e-mail]"},
        {"user": "refuse", "agent": "payload: token=[secret] of [e-mail]"},
    ]


@pytest.mark.parametrize(
    ("passed", "members", "good", "words"),
    [
        (18, {"pass_rate": 0.85}, True, "18/21 passed (85.7%, 95 % bounds 67.1% and 96.0%); a rate of 85.0% is needed"),
        (18, {"pass_rate": 0.9}, False, "a rate of 90.0% is needed; failed: c18, c19, c20"),
        (18, {"pass_rate_bound": 0.65}, True, "a lower bound of 65.0% is needed"),
        (18, {"pass_rate_bound": 0.8}, False, "a lower bound of 80.0% is needed"),
        (21, {"pass_rate_bound": 0.86}, True, "21/21 passed (100.0%, 95 % bounds 86.7% and 100.0%)"),
        (18, {"require_passed": 18, "require_total": 21}, True, "18/21 passed, 18 needed"),
    ],
)
def test_a_rate_is_not_its_bound(run, passed, members, good, words):
    """18 of 21 is a range: the plan's threshold is on what was seen, or on what was shown."""
    cases = [f"{{name: c{i}, turns: [{{say: {'hello' if i < passed else 'refuse'}}}]}}" for i in range(21)]
    outcome = run(*cases, **members)
    assert outcome.passed is good
    assert words in outcome.detail
    assert outcome.measures["lower"] == {18: 0.6708, 21: 0.8671}[passed]
