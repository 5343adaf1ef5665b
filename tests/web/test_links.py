"""Signed links on the real dashboard application: a look does nothing, a click says it once, in time, by name."""

import json
import re
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from headgate.config.settings import Settings
from headgate.core.model import Phase
from headgate.core.plan import Approval, Otherwise
from headgate.errors import RefusedError
from headgate.notify.links import LinkSigner, Token
from headgate.ports import Entry, Message
from headgate.testing.clock import FakeClock
from headgate.testing.examples import NOW, example_plan, example_rollout
from headgate.testing.memory_store import MemoryStore
from headgate.web.server import application

KEY = b"k" * 32
ROLLOUT = "coach-companion-20261123-1"


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


def path(signer, verb="approve", about=ROLLOUT, until=NOW + 60, id="one"):
    return "/act/" + signer.token(Token(verb, about, until, id))


def test_a_look_does_nothing_and_a_click_says_it_once(web):
    """GET and HEAD, as often as a mail scanner likes; then one POST, with a name and a reason; then no more."""
    store, _, signer, client = web
    link = path(signer)
    for _ in range(3):
        shown = client.get(link)
        assert shown.status_code == 200
        client.head(link)
    assert "Nothing has happened yet" in shown.text
    assert re.findall(r'<option value="(\w+)"', shown.text) == ["ana", "ben"]
    assert store.waiting() == []
    form = {"by": "ana", "reason": "seen the numbers"}
    assert client.post(link, data=form).status_code == 200
    (word,) = store.waiting(ROLLOUT)
    assert (word.verb, word.by, word.fact.reason) == ("approve", "ana", "seen the numbers (by a signed link)")
    again = client.post(link, data=form)
    assert again.status_code == 403
    assert "used before" in again.text
    assert len(store.waiting()) == 1


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        ({"by": "", "reason": "x"}, 400, "name and a reason"),
        ({"by": "ana"}, 400, "name and a reason"),
        ({"by": "eve", "reason": "x"}, 403, "eve may not approve"),
        ({"by": "ana", "reason": "x" * 20_000}, 400, "too large"),
    ],
)
def test_what_is_not_taken(web, form, status, said):
    """Nobody, somebody else, no reason, too much: nothing is said, and the link still works."""
    store, _, signer, client = web
    refused = client.post(path(signer), data=form)
    assert refused.status_code == status
    assert said in refused.text
    assert store.waiting() == []
    assert client.post(path(signer), data={"by": "ben", "reason": "fine"}).status_code == 200


def test_too_late_forged_and_swapped(web):
    """After its deadline, with another key, with the verb changed, cut: refused, also to look at."""
    _, clock, signer, client = web
    good = path(signer)
    forged = path(LinkSigner(lambda: b"x" * 32, lambda: ""))
    text, _, mac = good.partition(".")
    swapped = path(signer, verb="abort").partition(".")[0] + "." + mac
    for link in (forged, swapped, good[:-1], text, "/act/x.y"):
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
    link = path(signer, "acknowledge", "INC-1")
    assert "it &lt;b&gt;burns" in client.get(link).text
    assert client.post(link, data={"by": "ines", "reason": "on it"}).status_code == 200
    (record,) = store.read(kinds=("incident.acknowledged",))
    assert (record.body["by"], record.body["via"]) == ("ines", "link")
    assert client.post(link, data={"by": "ines", "reason": "on it"}).status_code == 403


def test_the_links_of_a_message_are_the_same_each_time():
    """A repetition carries the same links; each of several approvals has its own; none without a known address."""
    message = Message("k", ROLLOUT, "approval", "x", None, NOW, ROLLOUT, ("approve", "approve", "reject"), NOW + 60)
    signer = LinkSigner(lambda: KEY, lambda: "http://h/")
    links = signer(message)
    assert links == signer(message)
    assert len({link.url for link in links}) == 3
    assert all(link.url.startswith("http://h/act/") for link in links)
    assert signer.read(links[0].url.removeprefix("http://h/act/"), NOW).verb == "approve"
    assert LinkSigner(lambda: KEY, lambda: "")(message) == ()


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
