"""What every Platform must do. Subclass `PlatformContract` with the fixtures `platform` and `sources`.

`sources` are the platform settings of three builds: "one" and "two" work and differ, "broken" never starts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pytest

from headgate.core.plan import Analysis, Plan, RollbackPolicy, Strategy, Validation
from headgate.core.plan import Platform as PlanPlatform
from headgate.errors import NotFound, Rejected
from headgate.ports import Platform, VersionState

AGENT = "coach-companion"
DEADLINE_S = 30.0

Settings = Mapping[str, str]


def plan_of(settings: Settings, agent: str = AGENT) -> Plan:
    """A plan that is complete enough to build from."""
    return Plan(
        agent=agent,
        platform=PlanPlatform("local", tuple(sorted(settings.items()))),
        traffic="gateway",
        gates=(),
        strategy=Strategy.CANARY,
        steps=(),
        rollback=RollbackPolicy(),
        analysis=Analysis(0.05, ()),
        validation=Validation((), ()),
    )


def wait_until(condition: Callable[[], bool], what: str, seconds: float | None = None) -> None:
    """Poll until it holds, at most `seconds` (None: DEADLINE_S, which a slower platform's suite may raise)."""
    seconds = DEADLINE_S if seconds is None else seconds
    end = time.perf_counter() + seconds
    while not condition():
        assert time.perf_counter() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)


class PlatformContract:
    """The suite. Where an adapter must differ, the difference is a capability that it names here."""

    STARTS_EARLY = True  # a version that cannot start is FAILED before its first turn; else it is READY until then

    @pytest.fixture
    def platform(self) -> Platform:
        raise NotImplementedError

    @pytest.fixture
    def sources(self) -> Mapping[str, Settings]:
        raise NotImplementedError

    def settled(self, platform: Platform, number: str) -> VersionState:
        """The version's state once it is no longer CREATING."""
        wait_until(lambda: platform.version(AGENT, number).status != "CREATING", f"version {number} settles")
        return platform.version(AGENT, number)

    def pinned(self, platform: Platform, endpoint: str, number: str) -> None:
        """Pin and wait until it is live."""
        platform.pin(AGENT, endpoint, number)
        wanted = (number, number, "READY")
        wait_until(lambda: endpoints(platform).get(endpoint) == wanted, f"{endpoint} is on {number}")

    def test_an_unknown_agent_is_not_found(self, platform: Platform) -> None:
        """`find` says None, everything else NotFound; removing what is not there is done already."""
        assert platform.find("nobody") is None
        with pytest.raises(NotFound):
            platform.version("nobody", "1")
        with pytest.raises(NotFound):
            platform.pin("nobody", "production", "1")
        platform.unpin("nobody", "production")

    def test_the_first_build_makes_the_agent(self, platform: Platform, sources: Mapping[str, Settings]) -> None:
        """A build is found by the agent's name, with its number and digest."""
        version = platform.build(AGENT, plan_of(sources["one"]), "t1")
        found = platform.find(AGENT)
        assert found is not None
        assert found.versions == (version.number,)
        assert version.digest
        assert platform.version(AGENT, version.number).version.digest == version.digest

    def test_building_twice_is_building_once(self, platform: Platform, sources: Mapping[str, Settings]) -> None:
        """Neither the same token nor the same code makes another version."""
        first = platform.build(AGENT, plan_of(sources["one"]), "t1")
        assert platform.build(AGENT, plan_of(sources["one"]), "t1") == first
        assert platform.build(AGENT, plan_of(sources["one"]), "t2") == first
        found = platform.find(AGENT)
        assert found is not None
        assert found.versions == (first.number,)

    def test_other_code_is_another_version(self, platform: Platform, sources: Mapping[str, Settings]) -> None:
        """Numbers and digests differ, and going back to the first code makes a third version with the first digest."""
        one = platform.build(AGENT, plan_of(sources["one"]), "t1")
        two = platform.build(AGENT, plan_of(sources["two"]), "t2")
        again = platform.build(AGENT, plan_of(sources["one"]), "t3")
        assert len({one.number, two.number, again.number}) == 3
        assert again.digest == one.digest != two.digest

    def test_two_endpoints_hold_two_versions(self, platform: Platform, sources: Mapping[str, Settings]) -> None:
        """Both are ready at the same time at addresses of their own, and pinning again changes nothing."""
        one = platform.build(AGENT, plan_of(sources["one"]), "t1")
        self.pinned(platform, "production", one.number)
        two = platform.build(AGENT, plan_of(sources["two"]), "t2")
        self.pinned(platform, "candidate", two.number)
        platform.pin(AGENT, "candidate", two.number)
        assert endpoints(platform)["production"] == (one.number, one.number, "READY")
        assert endpoints(platform)["candidate"] == (two.number, two.number, "READY")
        states = [platform.version(AGENT, number) for number in (one.number, two.number)]
        assert [state.status for state in states] == ["READY", "READY"]
        assert states[0].version.url != states[1].version.url
        built = [dict(state.built) for state in states]
        assert built == [dict(platform.version(AGENT, state.version.number).built) for state in states]
        # a platform need not tell what it built; what it tells of other code is not the same
        assert not all("code" in parts for parts in built) or built[0]["code"] != built[1]["code"]

    def test_an_endpoint_moves_forward_and_back(self, platform: Platform, sources: Mapping[str, Settings]) -> None:
        """A rollback is a pin to the older version."""
        one = platform.build(AGENT, plan_of(sources["one"]), "t1")
        two = platform.build(AGENT, plan_of(sources["two"]), "t2")
        for number in (one.number, two.number, one.number):
            self.pinned(platform, "production", number)

    def test_a_broken_version_fails_with_a_reason(self, platform: Platform, sources: Mapping[str, Settings]) -> None:
        """Its state says why, and the endpoint goes on serving what it served."""
        one = platform.build(AGENT, plan_of(sources["one"]), "t1")
        self.pinned(platform, "production", one.number)
        broken = platform.build(AGENT, plan_of(sources["broken"]), "t2")
        platform.pin(AGENT, "production", broken.number)
        state = self.settled(platform, broken.number)
        if not self.STARTS_EARLY:  # so a gate must talk to it before users do
            assert (state.status, state.reason) == ("READY", "")
            self.pinned(platform, "production", one.number)
            return
        assert state.status == "FAILED"
        assert "exited with code" in state.reason
        assert endpoints(platform)["production"] == (one.number, broken.number, "UPDATE_FAILED")
        assert platform.version(AGENT, one.number).status == "READY"
        self.pinned(platform, "production", one.number)

    def test_unpinning_removes_the_endpoint(self, platform: Platform, sources: Mapping[str, Settings]) -> None:
        """Once or twice, it is gone, and its version is stopped, not on its way to anywhere."""
        one = platform.build(AGENT, plan_of(sources["one"]), "t1")
        self.pinned(platform, "candidate", one.number)
        platform.unpin(AGENT, "candidate")
        platform.unpin(AGENT, "candidate")
        wait_until(lambda: "candidate" not in endpoints(platform), "it is gone")
        assert platform.version(AGENT, one.number).status == "STOPPED"

    def test_a_version_that_does_not_exist_is_not_found(
        self, platform: Platform, sources: Mapping[str, Settings]
    ) -> None:
        """Neither asking for it nor pinning it works, and no endpoint is left behind."""
        platform.build(AGENT, plan_of(sources["one"]), "t1")
        with pytest.raises(NotFound):
            platform.version(AGENT, "99")
        with pytest.raises(NotFound):
            platform.pin(AGENT, "production", "99")
        assert "production" not in endpoints(platform)

    def test_what_cannot_be_built_is_refused(self, platform: Platform, sources: Mapping[str, Settings]) -> None:
        """A name that no runtime can have, and a plan without a source."""
        with pytest.raises(Rejected):
            platform.build("9lives", plan_of(sources["one"], "9lives"), "t1")
        with pytest.raises(Rejected):
            platform.build(AGENT, plan_of({}), "t1")


def endpoints(platform: Platform) -> dict[str, tuple[str, str, str]]:
    """The endpoints of the agent."""
    found = platform.find(AGENT)
    assert found is not None
    return found.endpoints
