"""What this platform can and cannot do for this agent, from what it answers now and what the ledger has measured.

A claim `holds` True or False only where something was read or measured; None is "not measured".
"""

from __future__ import annotations

from headgate.core.effects import PRODUCTION
from headgate.core.plan import Plan
from headgate.errors import NotFound, PortError
from headgate.ports import Data, Entry, Platform, RuntimeState, Store, Surveyor, Traffic


def assess(plan: Plan, platform: Platform, traffic: Traffic, store: Store, surveyor: Surveyor | None = None) -> Data:
    """The body of an `assessment` record. Raises PortError where the platform cannot be read."""
    found = platform.find(plan.agent)
    survey = surveyor.survey(plan, found) if surveyor else {}
    splitting = _splitting(plan, traffic)
    body: Data = {
        "agent": plan.agent,
        "platform": plan.platform.kind,
        "runtime": found.id if found else None,
        "versions": list(found.versions) if found else [],
        "endpoints": {name: live for name, (live, _, _) in found.endpoints.items()} if found else {},
        "claims": [splitting, _instances(plan, platform, found), _redeploy(store)],
        "strategies": _strategies(found, bool(splitting["holds"]), _denied(survey)),
    }
    body["notes"] = [*_notes(found), *_survey_notes(survey)]
    body["recommended"] = next((s["kind"] for s in body["strategies"] if s["open"]), "all-at-once")
    return {**body, "survey": survey} if survey else body


def entry(body: Data) -> Entry:
    return Entry("assessment", body)


def _splitting(plan: Plan, traffic: Traffic) -> Data:
    claim = "no traffic splitting"
    try:
        state = traffic.read(plan.agent)
    except NotFound:
        return _claim(
            claim,
            False,
            "the gateway answers and splits new sessions by weight; it serves no policy for this agent yet",
        )
    except PortError as error:
        return _claim(claim, True, f"nothing that splits answers: {error.message}")
    return _claim(
        claim,
        False,
        f"the gateway splits new sessions by weight in steps of 0.1 %; read back now: version {state.baseline} serves",
    )


def _instances(plan: Plan, platform: Platform, found: RuntimeState | None) -> Data:
    claim = "single instance"
    if found is None:
        return _claim(claim, None, "the agent is not on the platform yet")
    live = {number for number, _, status in found.endpoints.values() if status == "READY"}
    ready = [n for n in sorted(live, key=int) if platform.version(plan.agent, n).status == "READY"]
    if len(ready) > 1:
        return _claim(claim, False, f"versions {', '.join(ready)} answer side by side now")
    return _claim(claim, None, f"one version runs now ({', '.join(ready) or 'none'}); a second is tried by a rollout")


def _redeploy(store: Store) -> Data:
    claim = "rollback needs a redeployment"
    times = [
        float(r.body["seconds"])
        for r in store.read(kinds=("effect.verified",))
        if r.body["is"] == "PinEndpoint" and r.body["detail"].get("endpoint") == PRODUCTION
    ]
    if not times:
        return _claim(claim, None, "no endpoint was re-pointed here yet")
    return _claim(
        claim, False, f"the production endpoint was re-pointed {len(times)} times, in {max(times):.2f} s at the longest"
    )


def _claim(claim: str, holds: bool | None, because: str) -> Data:
    return {"claim": claim, "holds": holds, "because": because}


_HOW = {
    "baseline": "take the agent on: `headgate up PLAN`",
    "gateway": "start one: `headgate up`, or `headgate gateway`",
    "rights": "give the role that Headgate runs as the policy that `headgate iam PLAN` prints",
}
_SPARE = {"endpoints of the runtime": 5, "versions of the runtime": 20}  # what a release may need


def _strategies(found: RuntimeState | None, no_splitting: bool, denied: list[str]) -> list[Data]:
    """Each way to release: is it open, what is missing for it, and how to get that."""
    lacking = {}
    if found is None or not found.versions:
        lacking["baseline"] = "a baseline"
    if no_splitting:
        lacking["gateway"] = "a gateway that answers"
    if denied:
        lacking["rights"] = f"the right to {', '.join(denied[:3])}{' and more' if len(denied) > 3 else ''}"
    rows = []
    for kind in ("canary", "blue-green", "all-at-once"):
        how = "; ".join(_HOW[name] for name in lacking)
        rows.append({"kind": kind, "open": not lacking, "missing": "; ".join(lacking.values()), "how": how})
    return rows


def _denied(survey: Data) -> list[str]:
    """Actions that IAM says are refused; what cannot be asked is not refused."""
    return [row["action"] for row in _list(survey, "permissions") if not row["allowed"]]


def _survey_notes(survey: Data) -> list[str]:
    parts = [part for part in survey.values() if isinstance(part, dict)]
    notes = [f"not measured: {part['unreadable']}" for part in parts if "unreadable" in part]
    if turns := survey.get("default", {}).get("turns_last_day"):
        notes.append(
            f"clients use DEFAULT: {turns:g} turns in the last day named no endpoint. Every update reaches them at "
            "once, ungated: send them through the gateway, or have them name `production`"
        )
    notes += [
        f"watched alarm {row['name']} cannot be read ({row['why']}): a rollout that needs it will not be proven"
        for row in _list(survey, "watched alarms")
        if not row["state"]
    ]
    notes += [
        f"watched alarm {row['name']} is in ALARM now: what is red before the start is not blamed on a candidate"
        for row in _list(survey, "watched alarms")
        if row["state"] == "ALARM"
    ]
    for row in _list(survey, "quotas"):
        if row["room"] is not None and row["room"] < _SPARE.get(row["quota"], 1):
            notes.append(f"{row['quota']}: {row['used']} of {row['limit']} are used; a release may need more")
    return notes


def _list(survey: Data, part: str) -> list[Data]:
    """A part that is a list; none where it could not be read."""
    rows = survey.get(part, [])
    return rows if isinstance(rows, list) else []


def _notes(found: RuntimeState | None) -> list[str]:
    if found is None:
        return []
    production, default = found.endpoints.get(PRODUCTION), found.endpoints.get("DEFAULT")
    notes = []
    if production is None:
        notes.append("there is no endpoint `production`: clients that name none get every update at once")
    if production and default and production[0] != default[0]:
        notes.append(
            f"DEFAULT points at version {default[0]}, production at {production[0]}: a client that names no endpoint, "
            "and does not come through the gateway, gets the former"
        )
    return notes
