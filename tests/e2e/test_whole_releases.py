"""Whole releases by the command line, on real processes and real HTTP."""

import json
import sqlite3
import time

from headgate_stack import call, eventually


def test_good_version_is_released_and_can_be_taken_back(stack, traffic):
    """v2 goes to 100 % with a PASS at each step, is handed over, and one command takes it back in seconds."""
    made = stack.start(stack.source("v2"), "--reason", "better", "--by", "ana")
    done = stack.until(made, "completed", "rolled_back", "failed", "paused")
    assert done["phase"] == "completed", done["reason"]
    assert [s["state"] for s in done["steps"]] == ["done", "done"]
    assert {c["text"]: c["met"] for c in done["window"]["criteria"]} == {"error_rate < 50%": True, "status READY": True}

    decisions = stack.json("evidence", made, "--kind", "decision")
    raised = [d["body"]["reason"] for d in decisions if d["body"]["to"] in {"stepping", "validating"}]
    assert sum(reason.startswith("PASS at") for reason in raised) == 2
    endpoints = stack.json("assess", str(stack.folder / "plan.yaml"))["endpoints"]
    assert (endpoints["production"], endpoints["previous"]) == ("2", "1")

    code, out, err = stack.call("rollback", stack.agent, "--reason", "we liked v1 better", "--by", "ben", "--json")
    assert code == 0, err
    back = stack.until(json.loads(out)["id"], "rolled_back")
    assert back["rollback"]["by"] == "ben"
    assert back["rollback"]["debt"] == 0
    assert stack.json("assess", str(stack.folder / "plan.yaml"))["endpoints"]["production"] == "1"

    moved = sum(r["body"]["count"] for r in stack.json("evidence", back["id"], "--kind", "sessions.moved"))
    assert traffic().flips <= moved, "a session changed its version and no record says so"


def test_bad_version_is_caught_and_taken_back_by_itself(stack, traffic):
    """Half of v3's sessions fail: automation blames it, weight 0 is verified, its sessions are moved, debt is 0."""
    made = stack.start(stack.source("v3", fail=90))
    done = stack.until(made, "completed", "rolled_back", "failed", "paused")
    assert done["phase"] == "rolled_back", done["reason"]
    assert done["rollback"]["by"] == "headgate"
    assert done["verdict"]["answer"] == "FAIL"
    assert done["rollback"]["debt"] == 0
    assert done["incident"]
    times = stack.json("evidence", made, "--kind", "incident.times")[-1]["body"]
    assert times["fault_at"] <= times["detected_at"] <= times["decided_at"] <= times["cut_over_at"]
    report = traffic()
    moved = sum(r["body"]["count"] for r in stack.json("evidence", made, "--kind", "sessions.moved"))
    assert report.flips <= moved
    code, out, _ = stack.call("report", "status", made)
    assert code == 0
    assert "ROLLED BACK" in out
    assert "secret-in-a-traceback" not in out
    ledger = json.dumps(stack.json("evidence", made))
    assert "secret-in-a-traceback" not in ledger


def test_ledger_replays_and_tampering_is_found(stack, tmp_path):
    """Every decision of the finished rollouts is made again the same; one changed character in a copy is found."""
    rollouts = [r["id"] for r in stack.json("rollout", "list")]
    assert rollouts
    for rollout in rollouts:
        again = stack.json("replay", rollout)
        assert again["decisions"] > 0
        assert again["differing"] == []
    whole = stack.json("verify")
    assert whole["ok"]
    code, _, _ = stack.call("verify", "--head", whole["head"])
    assert code == 0

    home = tmp_path / "copy"
    home.mkdir()
    with sqlite3.connect(stack.home / "store.db") as live, sqlite3.connect(home / "store.db") as copy:
        live.backup(copy)
        for (trigger,) in copy.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            copy.execute(f"drop trigger {trigger}")
        copy.execute("update ledger set body = replace(body, 'PASS', 'FAIL') where body like '%PASS%'")
    code, _, err = call(home, "verify")
    assert code == 1
    assert "changed" in err


def test_candidate_that_dies_at_once(stack):
    """A candidate that cannot start fails the rollout with its own last words; the baseline is untouched."""
    stack.source("dead", prelude='raise SystemExit("no model key in sight")')
    made = stack.start("dead")
    done = stack.until(made, "failed")
    assert "no model key in sight" in done["reason"]
    assert done["weight"] == 0


def test_same_version_again(stack):
    """A candidate with the digest of the baseline is refused: there is nothing to compare."""
    made = stack.start("v1")
    done = stack.until(made, "failed")
    assert "same version" in done["reason"]


def test_two_rollouts_of_one_agent(stack):
    """The second is refused with exit 4, and the message names the first."""
    made = stack.start(stack.source("v4"), within="300s")
    code, _, err = stack.call("rollout", "start", str(stack.plan("v4")))
    assert code == 4
    assert made in err
    stack.end(made)


def test_plan_changed_while_its_rollout_runs(stack):
    """The rollout goes on with the plan that it started with, and status says that the file differs."""
    made = stack.start(stack.source("v5"), within="300s")
    path = stack.folder / "plan.yaml"
    path.write_text(path.read_text().replace("weight: 50", "weight: 99"))
    status = stack.status(made)
    assert status["plan_changed"] == str(path.resolve())
    (created,) = stack.store.read(made, kinds=("rollout.created",))
    assert not created.body["plan_path"].startswith("/"), "no path of this machine is on the ledger"
    assert status["steps"][0]["weight"] == 50
    _, out, _ = stack.call("rollout", "status", made)
    assert "was changed since" in " ".join(out.split())
    stack.end(made)


def test_people_steer(stack, traffic):
    """Pause holds, what is refused says why, resume goes on, advance and abort need a reason; all of it is recorded."""
    made = stack.start(stack.source("v6"), within="300s")
    stack.until(made, "stepping")
    code, out, err = stack.call("rollout", "pause", made, "--by", "cleo", "--reason", "lunch")
    assert code == 0, err
    assert "held by cleo: lunch" in out
    time.sleep(2.0)  # longer than the bake time: automation would have gone on
    assert stack.status(made)["phase"] == "paused"
    assert stack.call("rollout", "advance", made, "--by", "cleo")[0] == 2
    assert stack.call("approve", made, "--by", "cleo", "--reason", "fine")[0] == 4
    assert stack.call("rollout", "resume", made, "--by", "cleo")[0] == 0
    assert stack.call("rollout", "resume", made, "--by", "cleo")[0] == 4
    code, out, err = stack.call("rollout", "abort", made, "--by", "cleo", "--reason", "changed my mind")
    assert code == 0, err
    done = stack.until(made, "rolled_back")
    assert done["rollback"]["by"] == "cleo"
    said = [(r["body"]["verb"], r["body"]["by"]) for r in stack.json("evidence", made, "--kind", "command")]
    assert said == [("pause", "cleo"), ("resume", "cleo"), ("abort", "cleo")]
    assert stack.call("rollout", "abort", made, "--reason", "again")[0] == 4


def test_gate_and_approval(stack):
    """A failing gate ends it before exposure; an approval waits for a named person and refuses others."""
    (stack.folder / "smoke.yaml").write_text(
        "cases:\n  - name: hello\n    turns:\n      - {say: hi, expect: [{contains: version v7}]}\n"
    )
    gates = "gates:\n  - {name: smoke, suite: smoke.yaml, require: 1/1}"
    stack.source("v7")
    stack.source("v8")
    done = stack.until(stack.start("v8", gates=gates), "failed")
    assert "gate smoke failed" in done["reason"]
    made = stack.start(
        "v7", gates=gates, approval=", approval: {by: [dora], within: 1h, else: rollback}", within="300s"
    )
    stack.until(made, "deploying")

    assert eventually(lambda: "approval by dora" in stack.status(made)["waits_for"])
    assert stack.status(made)["weight"] == 0
    assert stack.call("approve", made, "--by", "emil", "--reason", "sure")[0] == 4
    code, _, err = stack.call("approve", made, "--by", "dora", "--reason", "looked at it")
    assert code == 0, err
    assert stack.until(made, "stepping")["weight"] == 50
    stack.end(made)


def test_all_at_once_needs_a_reason_and_moves_the_endpoint_first(stack, traffic):
    """Without a comparison a named person says why; the window then judges; production points at the new version."""
    stack.source("v9")
    text = stack.plan("v9").read_text()
    head, tail = text.split("strategy:\n", 1)
    tail = tail[tail.index("analysis:") :]
    path = stack.folder / "at-once.yaml"
    path.write_text(
        head + "strategy: {kind: all-at-once, steps: [{weight: 100, bake: 1s, min_sessions: 5, within: 60s}]}\n" + tail
    )
    code, _, err = stack.call("rollout", "start", str(path))
    assert code == 4
    assert "reason" in err
    made = stack.json("rollout", "start", str(path), "--reason", "hotfix")["id"]
    done = stack.until(made, "completed", "rolled_back", "failed", "paused")
    assert done["phase"] == "completed", done["reason"]
    production = done["candidate"]
    assert stack.json("assess", str(path))["endpoints"]["production"] == production
    code, out, _ = stack.call("report", "status", made)
    assert code == 0
    assert "All" in out
