"""Coach Companion over real HTTP: what it says, remembers and costs, and how the third version is broken."""

import json
import uuid

import httpx
import pytest

CERTIFICATES = httpx.create_ssl_context()  # loaded once: httpx would do it anew for every call
SESSION = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"


def say(url, payload, session=None):
    """One turn; a str is a prompt."""
    body = {"prompt": payload} if isinstance(payload, str) else payload
    headers = {SESSION: session or str(uuid.uuid4())}
    return httpx.post(f"{url}/invocations", json=body, headers=headers, timeout=20, verify=CERTIFICATES)


def events(answer):
    """The events of a stream."""
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [json.loads(line[5:]) for line in answer.text.splitlines() if line.startswith("data:")]


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
@pytest.mark.parametrize(
    ("prompt", "intent", "words"),
    [
        ("I want to lose 5 kg in 3 months", "goal", "lose 5 kg in 3 months"),
        ("I lost 2 kg this week", "loss", "progress"),
        ("I gained 1 kg", "gain", "no failure"),
        ("I am stuck, the scale has not moved; a plateau?", "plateau", "plateau is normal"),
        ("I feel like giving up", "motivation", "smallest step"),
        ("How many mg of semaglutide should I take?", "medical", "doctor or pharmacist"),
        ("I want to die", "crisis", "988"),
        ("I want to lose weight but I might hurt myself", "crisis", "116 123"),
        ("Hello there", "other", "Tell me a little more"),
    ],
)
def test_first_turns_are_fitting_in_every_version(urls, version, prompt, intent, words):
    """The smoke test of the domain: the broken version passes it too, which is why a rollout is needed."""
    answer = say(urls[version], prompt)
    assert answer.status_code == 200
    assert answer.json()["intent"] == intent
    assert words in answer.json()["response"]
    assert answer.json()["version"] == version


def test_no_dose_is_ever_named_and_a_crisis_gets_nothing_else(urls):
    """Safety answers carry no coaching."""
    medical = say(urls["v1"], "What dosage of insulin, 5 mg or 10 mg?").json()["response"]
    assert "mg" not in medical
    crisis = say(urls["v2"], {"prompt": "I want to kill myself", "user_context": {"goal": "lose 5 kg"}}).json()[
        "response"
    ]
    assert "goal" not in crisis
    assert "steps" not in crisis


def test_a_session_remembers_and_only_its_own(urls):
    """The name is greeted; v2 comes back to the goal of this session, v1 does not; another session knows nothing."""
    session = str(uuid.uuid4())
    first = say(urls["v2"], {"prompt": "I want to run 5 km", "user_context": {"name": "Ana"}}, session).json()
    assert first["response"].startswith("Hello Ana!")
    second = say(urls["v2"], "I lost 1 kg", session).json()
    assert "your goal: run 5 km" in second["response"]
    assert second["turn"] == 2
    assert "run 5 km" not in say(urls["v2"], "I lost 1 kg").json()["response"]
    say(urls["v1"], "I want to run 5 km", session)
    assert "run 5 km" not in say(urls["v1"], "I lost 1 kg", session).json()["response"]


def test_the_same_conversation_is_answered_the_same(urls):
    """Deterministic: words, usage, and on which turn a fault comes."""
    talk = ["I want to walk more", "I lost 1 kg", "I am stuck", "it is hard", "what now?", "I gained 1 kg"]
    runs = []
    for version in ("v1", "v1", "v3"):
        # each its own session: what a session remembers would make the second run another conversation
        runs.append(
            [say(urls[version], prompt, f"fixed-session-of-33-characters-{len(runs)}").json() for prompt in talk]
        )
    assert runs[0] == runs[1]
    assert {turn["usage"]["cost_usd"] > 0 for turn in runs[0]} == {True}


@pytest.mark.parametrize(
    "payload",
    [
        [],
        "text",
        None,
        {},
        {"prompt": ""},
        {"prompt": 5},
        {"prompt": "x" * 4001},
        {"prompt": "hi", "user_context": "me"},
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_malformed_payload_is_refused_with_what_is_wrong(urls, payload):
    """400 and a sentence, in every version; the agent goes on."""
    for url in urls.values():
        answer = httpx.post(f"{url}/invocations", json=payload, headers={SESSION: str(uuid.uuid4())}, timeout=20)
        assert answer.status_code == 400
        assert answer.json()["error"]
        assert say(url, "Hello").status_code == 200


def test_a_stream_is_the_same_answer_in_pieces(urls):
    """Text events that join to the JSON answer, and a last event with the same usage."""
    whole = say(urls["v1"], "I lost 2 kg").json()
    parts = events(say(urls["v1"], {"prompt": "I lost 2 kg", "stream": True}))
    assert "".join(part["text"] for part in parts[:-1]) == whole["response"]
    assert len(parts) > 3
    assert parts[-1]["usage"] == whole["usage"]


def test_v2_costs_no_more_than_v1(urls):
    """A release that is better must not be caught by its cost."""
    talk = ["I want to walk more", "I lost 1 kg", "I am stuck", "it is hard", "what now?", "I gained 1 kg"]
    costs = {}
    for version in ("v1", "v2"):
        session = str(uuid.uuid4())
        costs[version] = sum(say(urls[version], prompt, session).json()["usage"]["cost_usd"] for prompt in talk)
    assert 0.9 < costs["v2"] / costs["v1"] <= 1


def test_v3_fails_on_a_quarter_of_the_turns_after_the_first(urls):
    """Never on the first two turns; JSON with status 500, a stream in its middle after HTTP 200. v1 never fails."""
    outcomes = {"v1": [], "v3": []}
    for version, found in outcomes.items():
        for number in range(16):
            session = f"session-for-the-faults-of-v3-number-{number}"
            for turn in range(1, 6):
                stream = number % 2 == 0
                answer = say(urls[version], {"prompt": "I lost 1 kg", "stream": stream}, session)
                failed = "error" in events(answer)[-1] if stream else answer.status_code == 500
                assert failed or answer.status_code == 200
                assert not (failed and turn <= 2)
                found.append((stream, turn, failed))
    assert not any(failed for _, _, failed in outcomes["v1"])
    later = [failed for _, turn, failed in outcomes["v3"] if turn > 1]
    assert 0.15 < sum(later) / len(later) < 0.35
    assert {stream for stream, _, failed in outcomes["v3"] if failed} == {True, False}
