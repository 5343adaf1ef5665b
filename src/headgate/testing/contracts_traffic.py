"""What every Traffic must do. Subclass `TrafficContract` with the fixture `traffic`: one that serves no agent yet.

    class TestMyTraffic(TrafficContract):
        @pytest.fixture
        def traffic(self) -> Iterator[Traffic]: ...

The versions' urls are never called: only what is kept, refused and read back is looked at.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from headgate.core.model import Version
from headgate.errors import NotFound, PortError, RefusedError, Rejected, StaleTermError
from headgate.ports import Traffic, TrafficPolicy

AGENT = "coach-companion"
ONE = Version("1", "", "http://127.0.0.1:9101")
TWO = Version("2", "", "http://127.0.0.1:9102")


def policy(
    epoch: int = 1, weight: float = 10.0, *, rollout: str = "r1", term: int = 3, agent: str = AGENT
) -> TrafficPolicy:
    """A rollout's policy: version 1 is trusted, version 2 on trial."""
    return TrafficPolicy(
        agent=agent,
        arn=f"arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/{agent}-0000000001",
        rollout=rollout,
        term=term,
        epoch=epoch,
        salt="salt",
        baseline=ONE,
        candidate=TWO,
        weight=weight,
    )


class TrafficContract:
    """The suite. Where an adapter must differ, the difference is a capability that it names here."""

    FRACTIONS = True  # weights in steps of 0.1 %; else whole percents only, and others are rejected

    @pytest.fixture
    def traffic(self) -> Traffic:
        raise NotImplementedError

    def test_an_agent_that_is_not_served_is_not_found(self, traffic: Traffic) -> None:
        """Neither can it be read nor forced down; that is not the same as being served at 0 %."""
        with pytest.raises(NotFound):
            traffic.read(AGENT)
        with pytest.raises(NotFound):
            traffic.force_down(AGENT, "alice", "it lies")

    def test_what_was_applied_is_read_back(self, traffic: Traffic) -> None:
        """Asked is not done: who asks can see what is in force."""
        weight = 12.5 if self.FRACTIONS else 12.0
        traffic.apply(policy(4, weight))
        state = traffic.read(AGENT)
        assert (state.rollout, state.term, state.epoch, state.weight) == ("r1", 3, 4, weight)
        assert (state.baseline, state.candidate) == ("1", "2")
        assert (state.forced_by, state.forced_reason) == ("", "")

    def test_fractions_of_a_percent(self, traffic: Traffic) -> None:
        """They are served as they are asked for, or refused: never rounded in silence."""
        if self.FRACTIONS:
            traffic.apply(policy(1, 0.1))
            assert traffic.read(AGENT).weight == 0.1
            return
        with pytest.raises(Rejected):
            traffic.apply(policy(1, 0.1))

    def test_without_a_candidate(self, traffic: Traffic) -> None:
        """An agent without a rollout is served by its baseline alone."""
        traffic.apply(replace(policy(0, 0.0, rollout=""), candidate=None))
        state = traffic.read(AGENT)
        assert (state.weight, state.baseline, state.candidate) == (0.0, "1", "")

    def test_debt_is_said_of_every_version(self, traffic: Traffic) -> None:
        """No open sessions are said to be none; silence would not be."""
        traffic.apply(policy())
        assert traffic.read(AGENT).debt == {"1": (0, 0.0), "2": (0, 0.0)}

    def test_the_same_again_changes_nothing(self, traffic: Traffic) -> None:
        """Who does not know whether it was done asks again."""
        traffic.apply(policy(2))
        before = traffic.read(AGENT)
        traffic.apply(policy(2))
        assert traffic.read(AGENT) == before

    def test_weights_follow_epochs(self, traffic: Traffic) -> None:
        """A later epoch raises or lowers."""
        for epoch, weight in ((1, 10.0), (2, 50.0), (3, 0.0)):
            traffic.apply(policy(epoch, weight))
            assert traffic.read(AGENT).weight == weight

    def test_an_older_term_is_refused(self, traffic: Traffic) -> None:
        """A controller that lost its lease changes nothing, not even for another rollout of the agent."""
        traffic.apply(policy(2, 10.0, term=3))
        for late in (policy(9, 100.0, term=2), policy(1, 100.0, term=2, rollout="r2")):
            with pytest.raises(StaleTermError):
                traffic.apply(late)
        assert traffic.read(AGENT).weight == 10.0

    def test_an_older_epoch_is_rejected(self, traffic: Traffic) -> None:
        """A late repetition of an earlier asking changes nothing, and is no person's refusal."""
        traffic.apply(policy(3, 0.0))
        with pytest.raises(Rejected):
            traffic.apply(policy(2, 10.0))
        assert traffic.read(AGENT).weight == 0.0

    def test_one_epoch_has_one_content(self, traffic: Traffic) -> None:
        """Two askings of one term and epoch cannot differ."""
        traffic.apply(policy(3, 10.0))
        with pytest.raises(Rejected):
            traffic.apply(policy(3, 50.0))
        assert traffic.read(AGENT).weight == 10.0

    def test_another_rollout_counts_its_own_epochs(self, traffic: Traffic) -> None:
        """Epochs are a rollout's; the next one begins anew."""
        traffic.apply(policy(9, 0.0))
        traffic.apply(policy(1, 10.0, rollout="r2"))
        state = traffic.read(AGENT)
        assert (state.rollout, state.epoch, state.weight) == ("r2", 1, 10.0)

    def test_a_promotion_changes_the_baseline(self, traffic: Traffic) -> None:
        """The candidate takes the baseline's place, and the old one is retired."""
        traffic.apply(policy(1, 100.0))
        traffic.apply(replace(policy(2, 0.0), baseline=TWO, candidate=None, retired=(ONE,)))
        state = traffic.read(AGENT)
        assert (state.baseline, state.candidate, state.weight) == ("2", "", 0.0)
        assert set(state.debt) == {"1", "2"}

    def test_a_person_forces_it_down_without_a_controller(self, traffic: Traffic) -> None:
        """At once, without a term, and it says who and why."""
        traffic.apply(policy(1, 50.0))
        forced = traffic.force_down(AGENT, "alice", "it lies")
        assert (forced.weight, forced.forced_by, forced.forced_reason) == (0.0, "alice", "it lies")
        assert traffic.read(AGENT) == forced

    def test_nothing_of_this_rollout_comes_up_again(self, traffic: Traffic) -> None:
        """A person's stop outlives later epochs and terms, and repetitions; to lower is still allowed."""
        traffic.apply(policy(1, 50.0))
        traffic.force_down(AGENT, "alice", "it lies")
        for again in (policy(1, 50.0), policy(2, 50.0), policy(2, 50.0, term=9)):
            with pytest.raises(RefusedError) as refused:
                traffic.apply(again)
            assert not isinstance(refused.value, StaleTermError)
        traffic.apply(replace(policy(3, 0.0), withdrawn="2"))
        state = traffic.read(AGENT)
        assert (state.weight, state.forced_by) == (0.0, "alice")

    def test_another_rollout_lifts_it(self, traffic: Traffic) -> None:
        """What was stopped was that candidate, not the agent for ever."""
        traffic.apply(policy(1, 50.0))
        traffic.force_down(AGENT, "alice", "it lies")
        traffic.apply(policy(1, 10.0, rollout="r2"))
        state = traffic.read(AGENT)
        assert (state.weight, state.forced_by) == (10.0, "")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"weight": 101.0},
            {"candidate": None},
            {"withdrawn": "2"},
            {"withdrawn": "1", "weight": 0.0},
            {"sessions": "forget"},
            {"retired": (TWO,)},
        ],
        ids="+".join,
    )
    def test_what_makes_no_sense_is_rejected(self, traffic: Traffic, wrong: dict[str, object]) -> None:
        """A policy that cannot be served leaves the one before in force."""
        traffic.apply(policy(1, 10.0))
        with pytest.raises(PortError):
            traffic.apply(replace(policy(2, 20.0), **wrong))  # type: ignore[arg-type]
        assert (traffic.read(AGENT).epoch, traffic.read(AGENT).weight) == (1, 10.0)

    def test_agents_are_apart(self, traffic: Traffic) -> None:
        """One agent's policy and stop are no other's."""
        traffic.apply(policy(1, 10.0))
        traffic.apply(policy(7, 30.0, agent="other"))
        traffic.force_down(AGENT, "alice", "it lies")
        assert (traffic.read(AGENT).weight, traffic.read("other").weight) == (0.0, 30.0)
