"""The embedded gateway behind the Traffic port, spoken to over its admin API."""

from __future__ import annotations

from typing import Any

import httpx

from headgate.core.model import Version
from headgate.errors import NotFound, RefusedError, Rejected, StaleTermError, TimedOut, Unavailable
from headgate.ports import TrafficPolicy, TrafficState

_TIMEOUT_S = 5.0


class EmbeddedTraffic:
    """Implements ports.Traffic. `base_url` is the gateway's admin address, `token` its admin token.

    Besides PortErrors, `apply` raises StaleTermError (the lease has passed on) and RefusedError (a person forced it
    down).
    """

    def __init__(self, base_url: str, token: str) -> None:
        self._url = base_url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(timeout=_TIMEOUT_S, headers=headers, trust_env=False, follow_redirects=False)

    def apply(self, policy: TrafficPolicy) -> None:
        """Puts the policy in force; the same one again changes nothing."""
        self._call("PUT", policy.agent, json=_data(policy))

    def read(self, agent: str) -> TrafficState:
        """What the gateway serves now."""
        return _state(self._call("GET", agent))

    def force_down(self, agent: str, by: str, reason: str) -> TrafficState:
        """Weight 0 at once, until another rollout's policy arrives."""
        return _state(self._call("POST", f"{agent}/force-down", json={"by": by, "reason": reason}))

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _call(self, method: str, path: str, json: Any = None) -> dict[str, Any]:
        where = f"the gateway at {self._url}"
        try:
            answer = self._client.request(method, f"{self._url}/policy/{path}", json=json)
            data = answer.json()
        except httpx.ConnectTimeout as error:
            raise Unavailable(f"{where} cannot be reached: {error}", _MEND) from error
        except httpx.TimeoutException as error:
            raise TimedOut(f"{where} did not answer within {_TIMEOUT_S:g} s") from error
        except httpx.HTTPError as error:
            raise Unavailable(f"{where} cannot be reached: {error}", _MEND) from error
        except ValueError as error:
            raise Rejected(f"{where} does not speak the admin API: {error}", "check the admin address") from error
        if answer.status_code == httpx.codes.OK:
            return dict(data)
        raise _error(where, answer.status_code, data)


_MEND = "start it with `headgate up` or `headgate gateway`; it goes on by its last policy meanwhile, if it runs"


def _error(where: str, status: int, data: Any) -> Exception:
    said, kind = (data.get("error", ""), data.get("kind", "")) if isinstance(data, dict) else (str(data), "")
    message = f"{where} said {status}: {said}"
    if kind == "stale_term":
        return StaleTermError(message)
    if kind == "forced":
        return RefusedError(message, "start another rollout when the reason is gone")
    if status == httpx.codes.NOT_FOUND:
        return NotFound(message)
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return Unavailable(message, "see the gateway's disk")
    mend = "use the admin token of this gateway's state directory" if status == httpx.codes.UNAUTHORIZED else ""
    return Rejected(message, mend)


def _data(policy: TrafficPolicy) -> dict[str, Any]:
    def version(each: Version) -> dict[str, str]:
        return {"version": each.number, "url": each.url}

    return {
        **{name: getattr(policy, name) for name in TrafficPolicy.__dataclass_fields__},
        "baseline": version(policy.baseline),
        "candidate": version(policy.candidate) if policy.candidate else None,
        "retired": [version(each) for each in policy.retired],
        "metrics": dict(policy.metrics),
    }


def _state(data: dict[str, Any]) -> TrafficState:
    try:
        policy, forced = data["policy"], data["forced"] or {}
        return TrafficState(
            rollout=policy["rollout"],
            term=policy["term"],
            epoch=policy["epoch"],
            weight=data["weight"],
            baseline=policy["baseline"]["version"],
            candidate=policy["candidate"]["version"] if policy["candidate"] else "",
            forced_by=forced.get("by", ""),
            forced_reason=forced.get("reason", ""),
            debt={version: (each["sessions"], each["oldest_s"]) for version, each in data["debt"].items()},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise Rejected(f"the gateway's answer has not the expected form: {error!r}") from error
