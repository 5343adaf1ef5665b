"""Drills, incidents and notifications as a user meets them: the real command line, real processes, a real receiver."""

import json


def test_a_drill_a_diagnosis_and_a_post_mortem(stack):
    """A drill in a Headgate of its own leaves the served one alone; an incident is opened, diagnosed and resolved."""
    before = stack.pids()
    (drilled,) = stack.json("drill", "run", "gateway-alone", "--by", "ines")
    assert drilled["passed"], drilled["detail"]
    assert drilled["recovery_s"] < drilled["rto_s"]
    assert drilled["records_lost"] == 0
    assert drilled["turns"] > 0
    assert stack.pids() == before, "only what the drill started is touched"
    listed = {row["drill"]: row["last"] for row in stack.json("drill", "list")}
    assert listed["gateway-alone"]["record"] == drilled["record"]
    assert listed["rollback"] is None

    made = stack.json("incident", "open", stack.agent, "--severity", "P2", "--title", "no answer", "--by", "ines")
    found = stack.json("incident", "diagnose", made["id"], "--by", "ines")
    answers = {check["check"]: check["answer"] for check in found["checks"]}
    assert found["runbook"] == "agent-not-responding"
    assert (answers["gateway"], answers["status"], answers["ping"], answers["endpoints"]) == ("ok",) * 4
    memory = stack.json("incident", "diagnose", made["id"], "--runbook", "memory")
    assert "MB" in memory["checks"][0]["detail"]
    stack.json("incident", "acknowledge", made["id"], "--by", "ines", "--reason", "on it")
    code, _, err = stack.call("incident", "acknowledge", made["id"], "--by", "ben")
    assert code == 4
    assert "acknowledged already, by ines" in err
    done = stack.json("incident", "resolve", made["id"], "--cause", "a test", "--by", "ines", "--reason", "it is over")
    assert done["state"] == "resolved"
    code, out, err = stack.call("report", "incident", made["id"], "--format", "json")
    assert code == 0, err
    assert json.loads(out)["kind"] == "incident"
    assert stack.json("verify")["ok"]
