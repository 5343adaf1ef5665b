"""Both tests together: laws that do not depend on batches, summaries that merge in any order, exact state."""

import json
import random
from itertools import permutations

import numpy as np
import pytest

from headgate.stats.comparison import Comparison, merged
from units_made import comparison, units

STREAM = units(640, 0.3, seed=11, worse_error=0.03, turns=3)


def test_laws_do_not_depend_on_how_sessions_are_batched():
    """One by one or all at once: the same state to the last bit."""
    whole, cut = comparison(), comparison()
    whole.add(STREAM)
    for at in range(len(STREAM)):
        cut.add(STREAM.part(at, at + 1))
    whole.settle()
    cut.settle()
    assert cut.to_data() == whole.to_data()


def pieces(made, n=4):
    """The stream summarised in n pieces, as n gateways would with the law of `made`."""
    each = len(STREAM) // n
    return [s for i in range(n) for s in made.summarise(STREAM.part(i * each, (i + 1) * each))]


def test_summaries_merge_in_any_order_to_the_same_state():
    """All orders of four pieces, absorbed at once or merged two and two before: the same state to the last bit."""
    states = set()
    for order in permutations(range(4)):
        made = comparison()
        parts = pieces(made)
        made.absorb([parts[i] for i in order])
        states.add(json.dumps(made.to_data()))
        two = comparison()
        two.absorb([*merged([parts[order[0]], parts[order[2]]]), *merged([parts[order[1]], parts[order[3]]])])
        states.add(json.dumps(two.to_data()))
    assert len(states) == 1


def test_what_is_merged_is_what_was_added():
    """Summaries give the evidence of the sessions themselves, as far as laws are the same and nothing is capped."""
    added, absorbed = comparison(history=2000), comparison(history=2000)
    part = STREAM.part(0, 100)
    added.add(part)
    added.settle()
    absorbed.absorb(absorbed.summarise(part))
    assert absorbed.bets.combined == pytest.approx(added.bets.combined, rel=0.02)
    assert absorbed.reference.sessions == added.reference.sessions
    for name, harm in added.harms.items():
        np.testing.assert_array_equal(absorbed.harms[name].up, harm.up)


def test_different_weights_are_kept_apart():
    """A summary is of one weight; merging keeps one per weight, in order."""
    made = comparison()
    found = made.summarise(units(50, 0.5, seed=1)) + made.summarise(units(50, 0.1, seed=2))
    random.Random(1).shuffle(found)
    assert [summary.weight for summary in merged(found)] == [0.1, 0.5]


def test_a_summary_of_another_law_is_refused():
    """Bets must have been placed with the law of their time."""
    made = comparison()
    old = made.summarise(STREAM)
    made.add(units(300, 0.3, seed=5))
    with pytest.raises(ValueError, match="law"):
        made.absorb(old)


def test_saved_and_restored_exactly():
    """Through JSON in the middle, and on as if nothing had been."""
    made = comparison(horizon=2000)
    made.add(STREAM.part(0, 300))
    again = Comparison.from_data(made.setting, json.loads(json.dumps(made.to_data())))
    for each in (made, again):
        each.add(STREAM.part(300, 640))
    assert json.dumps(again.to_data()) == json.dumps(made.to_data())


def test_how_alike_the_turns_of_a_session_are_is_learnt():
    """Turns that share 31 % of their variance are found to be about that much alike; independent ones are not."""
    alike, single = comparison(history=0), comparison(history=0)
    alike.remember(units(1500, 0.0, seed=3, turns=4))
    single.remember(units(1500, 0.0, seed=3))
    assert alike.reference.law.alike("latency") == pytest.approx(0.31, abs=0.08)
    assert single.reference.law.alike("latency") == pytest.approx(0.3)  # the guess: nothing was to be seen


def test_state_stays_small():
    """Ten times the sessions, the same size of state: what is kept does not grow with what was seen."""
    small, large = comparison(), comparison()
    small.add(units(2000, 0.3, seed=1))
    large.add(units(20_000, 0.3, seed=1))
    assert len(json.dumps(large.to_data())) < 1.3 * len(json.dumps(small.to_data()))
