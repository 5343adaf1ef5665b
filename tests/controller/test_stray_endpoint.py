"""What AgentCore's DEFAULT is left on when a candidate did not make it: said where people look."""

from sims import WORSE, quick_plan, served

from headgate.controller import queries
from headgate.core.model import Phase
from headgate.errors import Unavailable
from headgate.reports.history import History
from headgate.reports.render import to_markdown
from headgate.reports.status import status_report


def ended(**laws):
    """A release with these laws, to its end."""
    sim = served()
    sim.laws |= laws
    sim.release(quick_plan())
    sim.run_to_the_end()
    return sim


def test_a_version_that_was_taken_back_is_still_default():
    """On the ledger, in `rollout status` and in the status report; its own state is STOPPED, not on its way."""
    sim = ended(**{"2": WORSE})
    assert sim.rollout.phase is Phase.ROLLED_BACK
    (record,) = sim.records("endpoint.stray")
    assert record.body == {"endpoint": "DEFAULT", "version": "2", "trusted": "1"}
    (note,) = queries.status(sim.store, sim.rollout, sim.clock.now())["notes"]
    assert note.startswith("DEFAULT is on version 2, which was not promoted; version 1 is trusted.")
    history = History.of(queries.records(sim.store, sim.rollout))
    text = to_markdown(status_report(history, sim.store.head(), sim.clock.now()))
    assert "still on version 2" in text
    assert sim.platform.version(sim.rollout.agent, "2").status == "STOPPED"


def test_a_promotion_leaves_no_stray():
    """DEFAULT is on the version that is trusted."""
    sim = ended()
    assert sim.rollout.phase is Phase.COMPLETED
    assert sim.records("endpoint.stray") == []
    assert queries.status(sim.store, sim.rollout, sim.clock.now())["notes"] == []


def test_a_platform_that_is_away_keeps_no_rollback_from_ending():
    """What cannot be read is not said; the rollout ends all the same."""
    sim = served()
    sim.release(quick_plan())
    sim.run_until(lambda r: r.phase is Phase.STEPPING and r.weight_at is not None)
    sim.say("abort")
    find = sim.platform.find

    def until_production_is_back(agent):
        back = sim.rollout.rollback
        if back and back.endpoint_at is not None:
            raise Unavailable("nobody answers")
        return find(agent)

    sim.platform.find = until_production_is_back
    assert sim.run_to_the_end().phase is Phase.ROLLED_BACK
    assert sim.records("endpoint.stray") == []
