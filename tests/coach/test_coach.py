"""Coach Companion over real HTTP, as a rollout runs it: answers, streams, costs, and how version 3 breaks."""

import json
import uuid

import httpx
import pytest

CERTIFICATES = httpx.create_ssl_context()  # loaded once: httpx would do it anew for every call
SESSION = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
TALK = ["I want to walk more", "I lost 1 kg", "I am stuck", "it is hard", "what now?", "I gained 1 kg"]


def say(url, payload, session=None):
    """One turn; a str is a prompt, bytes are a body as they are."""
    body = {"prompt": payload} if isinstance(payload, str) else payload
    sent = {"content": body} if isinstance(body, bytes) else {"json": body}
    headers = {SESSION: session or str(uuid.uuid4()), "Content-Type": "application/json"}
    return httpx.post(f"{url}/invocations", **sent, headers=headers, timeout=20, verify=CERTIFICATES)


def events(answer):
    """The events of a stream."""
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [json.loads(line[5:]) for line in answer.text.splitlines() if line.startswith("data:")]


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("I want to lose 5 kg in 3 months", "lose 5 kg in 3 months"),
        ("I lost 2 kg this week", "progress"),
        ("How many mg of semaglutide should I take?", "prescriber or pharmacist"),
        ("I want to die", "988"),
    ],
)
def test_first_turns_are_fitting_in_every_version(urls, version, prompt, words):
    """The broken version passes this too, which is why a rollout is needed."""
    answer = say(urls[version], prompt)
    assert answer.status_code == 200
    assert words in answer.json()["response"]
    assert answer.json()["version"] == version


def test_v2_comes_back_to_the_goal_and_v1_does_not(urls):
    """What is better about it."""
    session = str(uuid.uuid4())
    for version, comes_back in (("v1", False), ("v2", True)):
        say(urls[version], "I want to run 5 km by May", session)
        assert ("your goal: run 5 km" in say(urls[version], "I lost 1 kg", session).json()["response"]) is comes_back


def test_the_same_conversation_is_answered_the_same(urls):
    """Deterministic: words, tools, usage."""
    # each its own session: what a session remembers would make the second run another conversation
    runs = [
        [say(urls["v1"], prompt, f"fixed-session-of-33-characters-{number}").json() for prompt in TALK]
        for number in range(2)
    ]
    assert runs[0] == runs[1]
    assert all(turn["usage"]["cost_usd"] > 0 for turn in runs[0])


@pytest.mark.parametrize(
    ("payload", "status", "words"),
    [
        (b"[]", 400, "not an object"),
        (b"null", 400, "not an object"),
        ({}, 400, "no prompt"),
        ({"prompt": " \n"}, 400, "no prompt"),
        ({"prompt": 5}, 400, "no prompt"),
        ({"prompt": "x" * 20_001}, 400, "20000 are the most"),
        ({"prompt": "hi", "stream": "yes"}, 400, "true or false"),
        ({"prompt": "hi", "user_context": "me"}, 400, "not an object"),
        ({"prompt": "hi", "user_context": {"coaching_style": "rude"}}, 400, "gentle, pragmatic, upbeat, structured"),
        ({"prompt": "hi", "user_context": {"goal_type": ["loss"]}}, 400, "loss, maintenance, transition"),
        ({"prompt": "hi", "user_context": {"on_glp1": "yes"}}, 400, "true or false"),
        ({"prompt": "hi", "user_context": {"name": {"a": 1}}}, 400, "is a text"),
        (b"{not json", 400, "Invalid JSON"),
        (b"\xff\xfe", 400, "Invalid"),
        (b"", 400, "Invalid JSON"),
        (b"[" * 100_000, 400, "nested too deeply"),
        (b'{"prompt": "' + b"x" * 300_000 + b'"}', 413, "larger than 262144 bytes"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_malformed_payload_is_refused_with_what_is_wrong(urls, payload, status, words):
    """A status and a sentence, and the agent goes on."""
    answer = say(urls["v1"], payload)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert say(urls["v1"], "Hello").status_code == 200


def test_unknown_members_and_nulls_are_no_fault(urls):
    """Clients send more than we read."""
    payload = {"prompt": "hi", "trace": 1, "user_context": {"name": None, "plan": "premium", "on_glp1": None}}
    assert say(urls["v1"], payload).status_code == 200


def test_a_stream_is_the_same_answer_in_sentences(urls):
    """Text events that join to the JSON answer, and a last event with the same usage."""
    whole = say(urls["v1"], "I lost 2 kg").json()
    parts = events(say(urls["v1"], {"prompt": "I lost 2 kg", "stream": True}))
    assert "".join(part["text"] for part in parts[:-1]) == whole["response"]
    assert len(parts) > 3
    assert parts[-1]["usage"] == whole["usage"]
    assert parts[-1]["tools"] == [{"name": "log_progress", "ok": True}]


def test_v2_costs_about_the_same_as_v1(urls):
    """A release that is better must not be caught by its cost."""
    costs = {}
    for version in ("v1", "v2"):
        session = str(uuid.uuid4())
        costs[version] = sum(say(urls[version], prompt, session).json()["usage"]["cost_usd"] for prompt in TALK)
    assert 0.95 < costs["v2"] / costs["v1"] < 1.05


def test_v3_fails_once_two_reports_are_in_and_never_before(urls):
    """JSON with status 500, a stream in its middle after 200, no text of the exception in either; v1 never fails."""
    outcomes = {"v1": [], "v3": []}
    for version, found in outcomes.items():
        for stream in (False, True):
            session = str(uuid.uuid4())
            for prompt in ("I want to walk more", "I lost 1 kg", "I feel tired", "I gained 1 kg", "What next?"):
                answer = say(urls[version], {"prompt": prompt, "stream": stream}, session)
                last = events(answer)[-1] if stream else answer.json()
                assert answer.status_code == (500 if "error" in last and not stream else 200)
                assert "division" not in answer.text
                found.append("error" in last)
    assert outcomes == {"v1": [False] * 10, "v3": [False, False, False, True, True] * 2}


def test_the_local_runtime_knows_what_it_built(platform, urls):
    """Of each version, by the files of its artifact, also after its source was edited; and what it was started with."""
    found = {number: platform.version("coach-companion", number) for number in ("1", "2")}
    one, two = (dict(found[number].built) for number in ("1", "2"))
    assert set(one) == {"code", "environment", "prompt", "tools", "guardrail", "memory"}
    assert {part for part in one if one[part] != two[part]} == {"code", "prompt"}
    assert dict(found["1"].variables) == {}
