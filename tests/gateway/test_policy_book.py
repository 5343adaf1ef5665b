"""Policies as text, which one replaces which, and the last good one on disk."""

import json

import pytest
from gateway_helpers import ARN, policy

from headgate.errors import Unavailable, UsageError
from headgate.gateway.book import Conflict, Kept, PolicyBook, admit, raises_exposure
from headgate.gateway.policy import BadPolicy, Forced, data_of, parse, read_fixed

TWO = "http://127.0.0.1:2"
FORCED = Forced("ann", "it is on fire", 5.0)


def weighted(weight, **members):
    """A policy with a candidate at this weight."""
    return policy(two=TWO, weight=weight, **members)


def kept(weight=10.0, forced=None, **members):
    """What a gateway has after one policy."""
    first = admit(weighted(weight, **members), None)
    return Kept(first.policy, forced, first.seen)


def test_a_policy_survives_its_own_text():
    """JSON out and in again is the same value."""
    full = weighted(12.5, retired=(), withdrawn="", deadline=7.0, usd_per_million_input=3.0)
    assert parse(json.loads(json.dumps(data_of(full)))) == full


GOOD = data_of(weighted(10.0))
WRONG = {
    "not an object": [],
    "unknown member": {**GOOD, "wieght": 5},
    "missing member": {k: v for k, v in GOOD.items() if k != "epoch"},
    "weight above 100": {**GOOD, "weight": 101},
    "negative weight": {**GOOD, "weight": -1},
    "weight is not a number": {**GOOD, "weight": "10"},
    "weight is not finite": {**GOOD, "weight": float("nan")},
    "weight is a truth value": {**GOOD, "weight": True},
    "weight without candidate": {**GOOD, "candidate": None},
    "version is a number": {**GOOD, "baseline": {"version": 1, "url": TWO}},
    "no url": {**GOOD, "baseline": {"version": "1"}},
    "https": {**GOOD, "baseline": {"version": "1", "url": "https://x"}},
    "url with a line break": {**GOOD, "baseline": {"version": "1", "url": "http://x/a\r\nb"}},
    "bad port": {**GOOD, "baseline": {"version": "1", "url": "http://x:99999"}},
    "the same version twice": {**GOOD, "candidate": GOOD["baseline"]},
    "unknown rollback policy": {**GOOD, "sessions": "kill"},
    "withdrawn baseline": {**GOOD, "withdrawn": "1"},
    "withdrawn candidate with weight": {**GOOD, "withdrawn": "2"},
    "agent that is a path": {**GOOD, "agent": "../x"},
    "idle of zero": {**GOOD, "session_idle_s": 0},
    "turns of zero": {**GOOD, "session_turns": 0},
    "retired is no list": {**GOOD, "retired": "1"},
    "term is a fraction": {**GOOD, "term": 1.5},
}


@pytest.mark.parametrize("data", WRONG.values(), ids=WRONG)
def test_a_wrong_policy_is_refused(data):
    """Nothing is guessed."""
    with pytest.raises(BadPolicy):
        parse(data)


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ({"term": 2, "epoch": 6}, "stale_term"),
        ({"term": 3, "epoch": 4}, "stale_epoch"),
        ({"term": 4, "epoch": 4}, "stale_epoch"),
        ({"term": 3, "epoch": 5, "weight": 20.0}, "stale_epoch"),
    ],
)
def test_an_older_write_is_refused(members, kind):
    """A controller that lost its lease, or a request that was delayed, changes nothing."""
    with pytest.raises(Conflict) as refused:
        admit(weighted(**{"weight": 10.0, **members}), kept(term=3, epoch=5))
    assert refused.value.kind == kind


def test_the_same_policy_again_changes_nothing():
    """Asking twice equals asking once."""
    before = kept(term=3, epoch=5)
    assert admit(before.policy, before) == before


def test_a_term_is_an_agents():
    """The lease is the agent's: who lost it raises nothing, not even by a rollout that was never heard of here."""
    before = kept(term=3, epoch=5)
    for rollout in ("r1", "r2"):
        with pytest.raises(Conflict) as refused:
            admit(weighted(10.0, rollout=rollout, term=2, epoch=9), before)
        assert refused.value.kind == "stale_term"
    after = admit(weighted(10.0, rollout="r2", term=3, epoch=1), before)
    assert after.policy.rollout == "r2"
    with pytest.raises(Conflict):
        admit(weighted(100.0, term=2, epoch=6), after)


def test_a_version_that_came_back_on_another_port_is_the_same_version():
    """The same epoch may bring another address, never more weight."""
    before = kept(epoch=5)
    moved = policy("http://127.0.0.1:7", TWO, weight=10.0, epoch=5)
    assert admit(moved, before).policy.baseline.url == "http://127.0.0.1:7"


def test_forced_down_holds_against_its_rollout_and_yields_to_another():
    """Automation never raises exposure past a person's hold."""
    before = kept(forced=FORCED)
    with pytest.raises(Conflict) as refused:
        admit(weighted(50.0, epoch=2), before)
    assert refused.value.kind == "forced"
    assert admit(weighted(0.0, epoch=2), before).forced == FORCED
    assert admit(weighted(50.0, rollout="r2"), before).forced is None


def test_the_address_of_a_withdrawn_version_is_remembered():
    """A drain works when the policy names only what it keeps."""
    after = admit(policy(epoch=2, withdrawn="2", sessions="drain"), kept())
    assert [version.url for version in after.policy.retired] == [TWO]


@pytest.mark.parametrize(
    ("new", "old", "raises"),
    [
        (kept(10.0), None, True),
        (kept(0.0), None, False),
        (kept(10.0), kept(10.0), False),
        (kept(5.0), kept(10.0), False),
        (kept(11.0), kept(10.0), True),
        (kept(10.0), kept(10.0, forced=FORCED), True),
        (Kept(policy(two="http://x", weight=5.0)), kept(10.0), False),
        (Kept(policy()), kept(10.0), False),
    ],
)
def test_what_counts_as_raising_exposure(new, old, raises):
    """Only such a change has to be durable before it is served."""
    assert raises_exposure(new, old) is raises


def test_what_was_saved_is_loaded(tmp_path):
    """The last good policy with who forced it down and which terms were seen."""
    book = PolicyBook(tmp_path)
    book.save(kept(10.0))
    book.save(kept(50.0, forced=FORCED, epoch=2))
    assert PolicyBook(tmp_path).load(9.0) == [kept(50.0, forced=FORCED, epoch=2)]


@pytest.mark.parametrize("damage", [b"", b"{", b'{"policy": {}}', b"\xff\xfe"])
def test_a_damaged_file_falls_back_to_its_predecessor_at_weight_zero(tmp_path, damage):
    """The damaged one may have been the one that lowered the weight, so it is not raised again by accident."""
    book = PolicyBook(tmp_path)
    book.save(kept(50.0))
    book.save(kept(0.0, epoch=2))
    (tmp_path / "coach.json").write_bytes(damage)
    (loaded,) = book.load(9.0)
    assert loaded.policy.weight == 50.0
    assert loaded.forced.by == "gateway"


def test_a_flipped_digit_is_damage_too(tmp_path):
    """The checksum sees what JSON does not."""
    book = PolicyBook(tmp_path)
    book.save(kept(10.0))
    path = tmp_path / "coach.json"
    path.write_text(path.read_text().replace('"weight": 10.0', '"weight": 90.0'))
    with pytest.raises(Unavailable, match=r"damaged.*predecessor"):
        book.load(9.0)


def test_a_refused_write_leaves_the_old_policy(tmp_path, monkeypatch):
    """A full disk loses nothing that was good."""
    book = PolicyBook(tmp_path)
    book.save(kept(10.0))

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        book.save(kept(50.0))
    assert book.load(9.0) == [kept(10.0)]


FIXED = """
agents:
  - arn: ARN
    baseline: {version: "1", url: http://127.0.0.1:9101}
    candidate: {version: "2", url: http://127.0.0.1:9102, weight: 10}
"""


def test_a_fixed_policy_is_read(tmp_path):
    """The form of the documentation."""
    path = tmp_path / "policy.yaml"
    path.write_text(FIXED.replace("ARN", ARN))
    (fixed,) = read_fixed(path)
    assert (fixed.agent, fixed.weight, fixed.candidate.number, fixed.rollout) == ("coach", 10.0, "2", "fixed")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "`agents`"),
        ("agents: []", "`agents`"),
        ("agents: [", "cannot be read"),
        ("agents: [{}]", r"agents\[0\].*`arn`"),
        (FIXED.replace('"1"', "1"), "in quotes"),
        (FIXED.replace("weight: 10", "weight: 110"), "not a percentage"),
        (FIXED.replace("weight", "wieght"), "candidate"),
        (FIXED + FIXED.replace("agents:", ""), "two agents"),
    ],
)
def test_a_wrong_fixed_policy_says_what_and_how(tmp_path, text, says):
    """File, place and mend."""
    path = tmp_path / "policy.yaml"
    path.write_text(text.replace("ARN", ARN))
    with pytest.raises(UsageError, match=says) as refused:
        read_fixed(path)
    assert "policy.yaml" in refused.value.message
    assert refused.value.mend
