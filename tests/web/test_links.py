"""Signed links on the real dashboard application: a look does nothing, a click says it once, in time, by name."""

import json
import re
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from headgate.config.settings import Settings
from headgate.core.model import Phase
from headgate.core.plan import Approval, Otherwise, Receiver
from headgate.errors import RefusedError
from headgate.notify.links import LinkSigner, Token
from headgate.ports import Change, Entry, Message
from headgate.testing.clock import FakeClock
from headgate.testing.examples import NOW, example_plan, example_rollout
from headgate.testing.memory_store import MemoryStore
from headgate.web.server import application

KEY = b"k" * 32
ROLLOUT = "coach-companion-20261123-1"
BOTH = Approval(("ana", "ben"), 3600.0, Otherwise.HOLD, 2)


@pytest.fixture
def web():
    """(store, clock, signer, client) with one rollout that waits for the approval of ana or ben."""
    plan = example_plan()
    steps = (plan.steps[0], replace(plan.steps[1], approval=Approval(("ana", "ben"), 3600.0, Otherwise.HOLD)))
    rollout = replace(
        example_rollout(phase=Phase.STEPPING),
        plan=replace(plan, steps=steps),
        approval_asked_at=NOW,
        approved_by=(),
        hold=None,
        rollback=None,
        window=None,
    )
    store, clock, signer = MemoryStore(), FakeClock(NOW), LinkSigner(lambda: KEY, lambda: "http://127.0.0.1:8703")
    store.create(rollout, [], NOW)
    app = application(store, clock, ("testserver",), signer)
    return store, clock, signer, TestClient(app, raise_server_exceptions=False)


def path(signer, verb="approve", about=ROLLOUT, **more):
    members = {"until": NOW + 60, "id": "one", "to": "email ana", "person": "ana", "step": 1, **more}
    return "/act/" + signer.token(Token(verb, about, **members))


def test_a_look_does_nothing_and_a_click_says_it_once(web):
    """GET and HEAD, as often as a mail scanner likes; then one POST, with a reason; then no more."""
    store, _, signer, client = web
    link = path(signer)
    for _ in range(3):
        shown = client.get(link)
        assert shown.status_code == 200
        client.head(link)
    assert "Nothing has happened yet" in shown.text
    assert re.findall(r"<strong>(\w+)</strong>", shown.text) == ["ana"]
    assert 'name="by"' not in shown.text
    assert store.waiting() == []
    form = {"reason": "seen the numbers"}
    assert client.post(link, data=form).status_code == 200
    (word,) = store.waiting(ROLLOUT)
    assert (word.verb, word.by, word.fact.reason) == (
        "approve",
        "ana",
        "seen the numbers (by a signed link to email ana; this person's)",
    )
    again = client.post(link, data=form)
    assert again.status_code == 403
    assert "used before" in again.text
    assert len(store.waiting()) == 1


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        ({"by": "ana"}, 400, "name and a reason"),
        ({"by": "ben", "reason": "x"}, 403, "sent to ana"),
        ({"reason": "x" * 501}, 400, "no name or reason"),
        ({"reason": "x" * 20_000}, 400, "too large"),
    ],
)
def test_what_is_not_taken(web, form, status, said):
    """No reason, another's name, too much: nothing is said, and the link still works."""
    store, _, signer, client = web
    refused = client.post(path(signer), data=form)
    assert refused.status_code == status
    assert said in refused.text
    assert store.waiting() == []
    assert client.post(path(signer), data={"reason": "fine"}).status_code == 200


@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_a_channel_approves_nothing(web, verb):
    """A link that was sent to no person, and one to somebody whom the plan does not name, whatever name they give."""
    store, _, signer, client = web
    for link, said in (
        (path(signer, verb, to="slack team", person=""), "nobody in particular"),
        (path(signer, verb, person="eve"), "eve may not approve"),
    ):
        refused = client.post(link, data={"by": "ana", "reason": "x"} if "nobody" in said else {"reason": "x"})
        assert refused.status_code == 403
        assert said in refused.text
    assert store.waiting() == []


def test_two_people_are_two_links(web):
    """Whoever holds ana's links, however many, is ana: they cannot give the second approval too."""
    store, _, signer, client = web
    rollout = store.load(ROLLOUT)
    steps = (rollout.plan.steps[0], replace(rollout.plan.steps[1], approval=BOTH))
    lease = store.acquire("agent/coach-companion", "c", 30.0, NOW)
    agreed = replace(rollout, plan=replace(rollout.plan, steps=steps), approved_by=("ana",))
    store.commit(Change(agreed), lease, NOW)
    for link in (path(signer, id="two"), path(signer, id="three", to="slack ana")):
        refused = client.post(link, data={"reason": "again"})
        assert (refused.status_code, "ana has approved already" in refused.text) == (403, True)
    assert client.post(path(signer, id="b", person="ben"), data={"reason": "fine"}).status_code == 200
    assert [word.by for word in store.waiting(ROLLOUT)] == ["ben"]


def test_a_link_approves_the_step_that_it_was_sent_for(web):
    """One that nobody used does not work for the next step's approval, though it is in time."""
    store, _, signer, client = web
    refused = client.post(path(signer, step=0), data={"reason": "x"})
    assert (refused.status_code, "another step" in refused.text) == (403, True)
    assert store.waiting() == []


def test_what_anybody_may_say_is_said_under_a_claimed_name(web):
    """A channel's link stops a candidate; the ledger says that nobody proved the name. It is not Headgate's own."""
    store, _, signer, client = web
    link = path(signer, "abort", to="slack team", person="", step=-1)
    assert 'name="by"' in client.get(link).text
    assert client.post(link, data={"by": "headgate", "reason": "x"}).status_code == 400
    assert client.post(link, data={"by": "ana", "reason": "it burns"}).status_code == 200
    (word,) = store.waiting(ROLLOUT)
    assert (word.verb, word.by) == ("abort", "ana")
    assert word.fact.reason == "it burns (by a signed link to slack team; a claimed name)"


def test_too_late_forged_and_swapped(web):
    """After its deadline, with another key, with the verb changed, cut: refused, also to look at."""
    _, clock, signer, client = web
    good = path(signer)
    forged = path(LinkSigner(lambda: b"x" * 32, lambda: ""))
    text, _, mac = good.partition(".")
    swapped = path(signer, verb="abort").partition(".")[0] + "." + mac
    another = path(signer, person="ben").partition(".")[0] + "." + mac
    for link in (forged, swapped, another, good[:-1], text, "/act/x.y"):
        assert client.get(link).status_code == 403, link
        assert client.post(link, data={"by": "ana", "reason": "x"}).status_code == 403, link
    clock.advance(61)
    late = client.get(good)
    assert late.status_code == 403
    assert "time of this link is over" in late.text


def test_an_incident_is_acknowledged(web):
    """On the ledger with the name, once."""
    store, _, signer, client = web
    body = {"incident": "INC-1", "severity": "P2", "title": "it <b>burns", "at": NOW}
    store.append([Entry("incident.opened", body, ROLLOUT)], NOW)
    link = path(signer, "acknowledge", "INC-1", to="pagerduty", person="")
    assert "it &lt;b&gt;burns" in client.get(link).text
    assert client.post(link, data={"by": "ines", "reason": "on it"}).status_code == 200
    (record,) = store.read(kinds=("incident.acknowledged",))
    assert (record.body["by"], record.body["via"]) == ("ines", "link")
    assert client.post(link, data={"by": "ines", "reason": "on it"}).status_code == 403


def test_the_links_of_a_message_are_the_same_each_time():
    """A repetition carries the same links; each is its receiver's; none without a known address; a channel that was
    sent a message before receivers had persons gets none to approve.
    """
    ana = Receiver("email", "ana@example.com", ("approval",), "ana", "ana")
    message = Message("k", ROLLOUT, "approval", "x", ana, NOW, ROLLOUT, ("approve", "reject"), NOW + 60, step=1)
    signer = LinkSigner(lambda: KEY, lambda: "http://h/")
    links = signer(message)
    assert links == signer(message)
    assert len({link.url for link in links}) == 2
    assert all(link.url.startswith("http://h/act/") for link in links)
    token = signer.read(links[0].url.removeprefix("http://h/act/"), NOW)
    assert (token.verb, token.person, token.to, token.step) == ("approve", "ana", "email ana", 1)
    assert LinkSigner(lambda: KEY, lambda: "")(message) == ()
    team = replace(message, receiver=Receiver("slack", "env:TEAM", ("approval",)), verbs=("approve", "abort"))
    assert [link.verb for link in signer(team)] == ["abort"]


def test_the_key_is_private(tmp_path):
    """Made once, mode 0600, and refused where others can read it."""
    here = Settings.load(tmp_path, {})
    key = here.link_key()
    assert here.link_key() == key
    assert len(key) > 30
    assert (tmp_path / "link.key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "link.key").chmod(0o644)
    with pytest.raises(RefusedError, match="can be read by others"):
        here.link_key()


def test_where_the_dashboard_is(tmp_path):
    """What the environment says, else what `headgate up` started, else nothing."""
    here = Settings.load(tmp_path, {"HEADGATE_DASHBOARD_URL": "https://ops.example/"})
    assert here.dashboard_url() == "https://ops.example"
    here = Settings.load(tmp_path, {})
    assert here.dashboard_url() == ""
    addresses = {"runtime": "r", "gateway": "g", "admin": "a", "dashboard": "http://127.0.0.1:8703"}
    (tmp_path / "up.json").write_text(json.dumps(addresses))
    assert here.dashboard_url() == "http://127.0.0.1:8703"
