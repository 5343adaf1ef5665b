"""What this platform can and cannot do for this agent, from what it answers now and what the ledger has measured.

A claim `holds` True or False only where something was read or measured; None is "not measured".
"""

from __future__ import annotations

from headgate.core.effects import PRODUCTION
from headgate.core.plan import Plan
from headgate.errors import NotFound, PortError
from headgate.ports import Data, Entry, Platform, RuntimeState, Store, Traffic


def assess(plan: Plan, platform: Platform, traffic: Traffic, store: Store) -> Data:
    """The body of an `assessment` record. Raises PortError where the platform cannot be read."""
    found = platform.find(plan.agent)
    splitting = _splitting(plan, traffic)
    body: Data = {
        "agent": plan.agent,
        "platform": plan.platform.kind,
        "runtime": found.id if found else None,
        "versions": list(found.versions) if found else [],
        "endpoints": {name: live for name, (live, _, _) in found.endpoints.items()} if found else {},
        "claims": [splitting, _instances(plan, platform, found), _redeploy(store)],
        "strategies": _strategies(found, bool(splitting["holds"])),
    }
    body["notes"] = _notes(found)
    body["recommended"] = next((s["kind"] for s in body["strategies"] if s["open"]), "all-at-once")
    return body


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


def _strategies(found: RuntimeState | None, no_splitting: bool) -> list[Data]:
    no_baseline = "a baseline: take the agent on with `headgate up PLAN`" if not found or not found.versions else ""
    no_gateway = "a gateway that answers: `headgate up`" if no_splitting else ""
    missing = "; ".join(part for part in (no_baseline, no_gateway) if part)
    return [{"kind": kind, "open": not missing, "missing": missing} for kind in ("canary", "blue-green", "all-at-once")]


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
