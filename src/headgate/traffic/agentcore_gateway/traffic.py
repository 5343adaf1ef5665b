"""An AgentCore Gateway behind the Traffic port: AWS splits the sessions by one weighted rule, Headgate writes the rule.

Each version has a target of its own, named by it. The rule sends new sessions to the baseline's (a static route, also
at 100 %), or splits them between two. AWS keeps a session's decision for 15 idle days whatever the rule says later, so
the target of a version that was taken back, or is older, is pointed at the endpoint `production` instead: its sessions
get the trusted version at their next turn. Nothing is kept here: all is read back from AWS.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from headgate.aws.clients import Clients
from headgate.aws.faults import mapped
from headgate.core.effects import PRODUCTION
from headgate.core.model import Version
from headgate.core.plan import SessionPolicy
from headgate.errors import NotFound, RefusedError, Rejected, StaleTermError, TimedOut
from headgate.ports import TrafficPolicy, TrafficState
from headgate.traffic.agentcore_gateway import marks, words
from headgate.traffic.agentcore_gateway.marks import Mark

SETTLE_S = 60.0  # how long AWS may take to make a change; its propagation is not documented
POLL_S = 0.5
READ_S = 3.0  # what was read is good for so long: a controller looks four times a second, and lists have a quota
STOPS_PER_S = 25.0  # a stopped session's next turn is a new session, and an account may have 25 of those a second
FIRST_PRIORITY = 1000
OUTLIVED_S = 16 * 86_400.0  # a session's decision is kept for 15 idle days
MOST_REMOVED = 2  # with one change: a gateway takes 5 operations on targets at a time, and may have 100 targets

Data = dict[str, Any]


class Sessions(Protocol):
    """Who is known to be on an endpoint: AgentCore lists no sessions, so what measures keeps them."""

    def open(self, agent: str, endpoint: str) -> Sequence[tuple[str, float]]:
        """(session id, age in seconds) of every open session."""


class Clock(Protocol):
    def now(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class AgentCoreGatewayTraffic:
    """Implements ports.Traffic for one gateway. `told` hears of each step of a change: (what, seconds it took).

    Terms are compared before a rule is written, not atomically with it: AWS has no conditional write here.
    """

    def __init__(
        self,
        clients: Clients,
        gateway: str,
        sessions: Sessions,
        clock: Clock,
        told: Callable[[str, float], None] = lambda _what, _seconds: None,
    ) -> None:
        self._control = clients.control
        self._data = clients.data
        self._gateway = gateway
        self._sessions = sessions
        self._clock = clock
        self._told = told
        self._known: dict[str, tuple[float, TrafficState]] = {}  # until when, what was read
        self._draining: dict[str, TrafficPolicy] = {}  # told anew by whoever drives after a restart

    # --- the port

    def apply(self, policy: TrafficPolicy) -> None:
        """Put the policy in force and see that it is; the same one again changes nothing."""
        words.check(policy)
        self._known.pop(policy.agent, None)
        with mapped(f"putting {policy.weight:g} % in force at gateway {self._gateway}"):
            rule = self._rule(policy.agent)
            if rule:
                self._admit(policy, rule[1])
            self._draining.pop(policy.agent, None)
            targets = self._targets()
            if policy.agent not in targets:
                self._make_target(policy.agent, policy.baseline, PRODUCTION)
            wanted = {words.name(policy.agent, v): v for v in words.served(policy)}
            for name, version in wanted.items():
                self._point(policy.agent, name, version, targets.get(name))
            self._write_rule(policy, rule)
            self._settle_others(policy, targets, set(wanted))
        self._known.pop(policy.agent, None)

    def read(self, agent: str) -> TrafficState:
        """What AWS has now, or had 3 s ago; a change of this process is seen at once."""
        until, known = self._known.get(agent, (0.0, None))
        if known is not None and self._clock.now() < until:
            return known
        state = self._read(agent)
        self._known[agent] = (self._clock.now() + READ_S, state)
        return state

    def _read(self, agent: str) -> TrafficState:
        with mapped(f"reading the rule of {agent} at gateway {self._gateway}"):
            self._end_drain(agent)
            rule = self._rule(agent)
            if rule is None:
                raise NotFound(f"gateway {self._gateway} has no rule for an agent {agent}")
            mark, data = rule
            by, reason = marks.forced(self._entry(agent).get("description", ""), mark.rollout)
            numbers = [mark.baseline, *([mark.candidate] if mark.candidate else []), *mark.retired]
            return TrafficState(
                rollout=mark.rollout,
                term=mark.term,
                epoch=mark.epoch,
                weight=words.weight(agent, mark, data),
                baseline=mark.baseline,
                candidate=mark.candidate,
                forced_by=by,
                forced_reason=reason,
                debt=dict(self._debt(agent, numbers)),
            )

    def force_down(self, agent: str, by: str, reason: str) -> TrafficState:
        """A static route to the baseline at once; the mark of the stop outlives the rollout's later words."""
        self._known.pop(agent, None)
        with mapped(f"taking {agent} to 0 % at gateway {self._gateway}"):
            rule = self._rule(agent)
            if rule is None:
                raise NotFound(f"gateway {self._gateway} has no rule for an agent {agent}")
            mark, data = rule
            self._control.update_gateway_rule(
                gatewayIdentifier=self._gateway,
                ruleId=data["ruleId"],
                actions=words.actions(agent, mark.baseline, "", 0.0),
                description=mark.lowered().text(),
            )
            entry = self._entry(agent)
            self._update_target(entry, words.runtime(entry), marks.forced_text(mark.rollout, by, reason))
            self._await_rule(data["ruleId"])
        return self.read(agent)

    # --- rules

    def _rule(self, agent: str) -> tuple[Mark, Data] | None:
        for row in self._all("list_gateway_rules", "gatewayRules"):
            if row.get("status") != "DELETING" and (mark := marks.parse(agent, row.get("description", ""))):
                return mark, row
        return None

    def _admit(self, policy: TrafficPolicy, rule: Data) -> None:
        """The embedded gateway's rules of admission, on what AWS has."""
        mark = marks.parse(policy.agent, rule["description"])
        assert mark is not None
        if policy.term < mark.term:
            raise StaleTermError(f"term {policy.term} is older than {mark.term}: the lease has passed on")
        if policy.rollout != mark.rollout:
            return
        if policy.epoch < mark.epoch:
            raise Rejected(f"epoch {policy.epoch} is older than {mark.epoch} of rollout {mark.rollout}")
        by, reason = marks.forced(self._entry(policy.agent).get("description", ""), mark.rollout)
        if by and policy.weight > 0:
            raise RefusedError(
                f"{by} forced the weight down to 0 ({reason}): only another rollout raises it",
                "start another rollout when the reason is gone",
            )
        if (policy.term, policy.epoch) == (mark.term, mark.epoch) and policy.weight > mark.weight:
            raise Rejected(f"epoch {policy.epoch} of rollout {mark.rollout} is known with {mark.weight:g} %")

    def _write_rule(self, policy: TrafficPolicy, rule: tuple[Mark, Data] | None) -> None:
        candidate = policy.candidate.number if policy.candidate else ""
        actions = words.actions(policy.agent, policy.baseline.number, candidate, policy.weight)
        text = Mark.of(policy).text()
        if rule is None:
            taken = {row["priority"] for row in self._all("list_gateway_rules", "gatewayRules")}
            made = self._control.create_gateway_rule(
                gatewayIdentifier=self._gateway,
                priority=next(n for n in range(FIRST_PRIORITY, FIRST_PRIORITY + 100) if n not in taken),
                conditions=[{"matchPaths": {"anyOf": [f"/{policy.agent}/*"]}}],
                actions=actions,
                description=text,
            )
            self._await_rule(made["ruleId"])
            return
        _, data = rule
        if (data["actions"], data["description"]) != (actions, text):
            self._control.update_gateway_rule(
                gatewayIdentifier=self._gateway, ruleId=data["ruleId"], actions=actions, description=text
            )
        self._await_rule(data["ruleId"])

    def _await_rule(self, id: str) -> None:
        began = self._clock.now()
        self._await(
            f"rule {id}",
            lambda: self._control.get_gateway_rule(gatewayIdentifier=self._gateway, ruleId=id)["status"],
            "ACTIVE",
        )
        self._told("rule is active", self._clock.now() - began)

    # --- targets

    def _targets(self) -> dict[str, Data]:
        return {row["name"]: row for row in self._all("list_gateway_targets", "items")}

    def _entry(self, agent: str) -> Data:
        """The target that clients name: {"description", "targetConfiguration", ...}."""
        row = self._targets().get(agent)
        if row is None:
            raise NotFound(f"gateway {self._gateway} has no target {agent}")
        return self._target(row["targetId"])

    def _target(self, id: str) -> Data:
        found: Data = self._control.get_gateway_target(gatewayIdentifier=self._gateway, targetId=id)
        return found

    def _make_target(self, name: str, version: Version, qualifier: str, description: str = "") -> None:
        more = {"description": description} if description else {}
        made = self._control.create_gateway_target(
            gatewayIdentifier=self._gateway,
            name=name,
            **more,
            targetConfiguration=words.configuration(words.arn(version), qualifier),
            credentialProviderConfigurations=[{"credentialProviderType": "GATEWAY_IAM_ROLE"}],
        )
        self._await_target(name, made["targetId"])

    def _point(self, agent: str, name: str, version: Version, row: Data | None) -> None:
        """The target of a version, made or moved so that it leads to the version's endpoint."""
        qualifier = words.qualifier(version)
        if row is None:
            self._make_target(name, version, qualifier, words.made(agent))
            return
        target = self._target(row["targetId"])
        if words.runtime(target).get("qualifier") != qualifier:
            self._update_target(target, {"arn": words.arn(version), "qualifier": qualifier}, "")

    def _update_target(self, target: Data, runtime: Data, description: str) -> None:
        text = description or target.get("description", "")
        began, told = self._clock.now(), {"description": text} if text else {}
        self._control.update_gateway_target(
            gatewayIdentifier=self._gateway,
            targetId=target["targetId"],
            name=target["name"],
            targetConfiguration={"http": {"agentcoreRuntime": runtime}},
            credentialProviderConfigurations=target["credentialProviderConfigurations"],
            **told,
        )
        self._await_target(target["name"], target["targetId"])
        self._told(f"target {target['name']} leads to {runtime.get('qualifier')}", self._clock.now() - began)

    def _await_target(self, name: str, id: str) -> None:
        self._await(f"target {name}", lambda: self._target(id)["status"], "READY")

    # --- taking back

    def _settle_others(self, policy: TrafficPolicy, targets: dict[str, Data], wanted: set[str]) -> None:
        """Targets of versions that nobody is to be on any more lead to the trusted one."""
        others = {name for name in targets if name.startswith(f"{policy.agent}-v")} - wanted
        withdrawn = words.name_of(policy.agent, policy.withdrawn) if policy.withdrawn else ""
        if withdrawn and withdrawn in targets:
            self._draining[policy.agent] = policy
            self._end_drain(policy.agent)
            others.discard(withdrawn)
        removable = MOST_REMOVED
        for name in sorted(others):
            target = self._target(targets[name]["targetId"])
            if words.runtime(target).get("qualifier") != PRODUCTION:
                self._update_target(target, {**words.runtime(target), "qualifier": PRODUCTION}, "")
            elif removable and self._outlived(policy.agent, target):
                removable -= 1
                self._remove_target(target)

    def _outlived(self, agent: str, target: Data) -> bool:
        """Whether no session can be on a target of ours any more: it has led to the trusted version for longer than AWS
        keeps a session's decision.
        """
        ours = target.get("description") == words.made(agent)
        return ours and self._clock.now() - target["updatedAt"].timestamp() > OUTLIVED_S

    def _remove_target(self, target: Data) -> None:
        began = self._clock.now()
        with contextlib.suppress(self._control.exceptions.ConflictException):  # a rule of somebody's names it
            self._control.delete_gateway_target(gatewayIdentifier=self._gateway, targetId=target["targetId"])
            self._told(f"target {target['name']} removed", self._clock.now() - began)

    def _end_drain(self, agent: str) -> None:
        """Take the withdrawn version's sessions away, once the policy's time for that has come."""
        policy = self._draining.get(agent)
        if policy is None or not self._moves_now(policy):
            return
        row = self._targets().get(words.name_of(agent, policy.withdrawn))
        if row is not None:
            self._take_away(policy, row)
        del self._draining[agent]

    def _moves_now(self, policy: TrafficPolicy) -> bool:
        """drain waits for its deadline; handover and evict do not wait."""
        if policy.sessions != SessionPolicy.DRAIN:
            return True
        return policy.deadline is not None and self._clock.now() >= policy.deadline

    def _take_away(self, policy: TrafficPolicy, row: Data) -> None:
        """Sessions that AWS holds on the withdrawn version get the trusted one; evict stops the known ones as well."""
        target = self._target(row["targetId"])
        runtime = words.runtime(target)
        endpoint = runtime.get("qualifier", "")
        if endpoint == PRODUCTION:
            return
        self._update_target(target, {**runtime, "qualifier": PRODUCTION}, "")
        if policy.sessions == SessionPolicy.EVICT:
            self._stop(policy.agent, runtime["arn"], endpoint)

    def _stop(self, agent: str, arn: str, endpoint: str) -> None:
        """Stop every known session of the endpoint, no faster than their next turns may begin anew."""
        began, stopped = self._clock.now(), 0
        for session, _ in self._sessions.open(agent, endpoint):
            due = began + stopped / STOPS_PER_S
            if (wait := due - self._clock.now()) > 0:
                self._clock.sleep(wait)
            with contextlib.suppress(self._data.exceptions.ResourceNotFoundException):  # it has ended by itself
                self._data.stop_runtime_session(agentRuntimeArn=arn, runtimeSessionId=session, qualifier=endpoint)
            stopped += 1
        self._told(f"{stopped} sessions stopped", self._clock.now() - began)

    def _debt(self, agent: str, numbers: Sequence[str]) -> Iterator[tuple[str, tuple[int, float]]]:
        targets = self._targets()
        for number in numbers:
            row = targets.get(words.name_of(agent, number))
            endpoint = words.runtime(self._target(row["targetId"])).get("qualifier", "") if row else ""
            # a target that leads to production leads to the trusted version: nobody is owed there
            known = self._sessions.open(agent, endpoint) if endpoint and endpoint != PRODUCTION else ()
            yield number, (len(known), round(max((age for _, age in known), default=0.0), 1))

    # --- helpers

    def _all(self, operation: str, member: str) -> list[Data]:
        pages = self._control.get_paginator(operation).paginate(gatewayIdentifier=self._gateway)
        return [item for page in pages for item in page[member]]

    def _await(self, what: str, status: Callable[[], str], wanted: str) -> None:
        """Asked is not done: look until it is. Raises TimedOut, or Rejected where AWS gave up."""
        end = self._clock.now() + SETTLE_S
        while (now := status()) != wanted:
            if now.endswith(("UNSUCCESSFUL", "FAILED")):
                raise Rejected(f"{what} of gateway {self._gateway} is {now}")
            if self._clock.now() >= end:
                raise TimedOut(f"{what} of gateway {self._gateway} is still {now} after {SETTLE_S:g} s")
            self._clock.sleep(POLL_S)
