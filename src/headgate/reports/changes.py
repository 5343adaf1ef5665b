"""What the candidate changes, part by part, and what changed by itself while the rollout ran."""

from __future__ import annotations

from headgate.core.identity import Sameness, compare, short
from headgate.reports import model as m
from headgate.reports.document import Block, Cited, Item, Missing, Section, bullets, item, paragraph, section
from headgate.reports.history import History
from headgate.reports.telling import at

_TITLE = "What Changed"


def what_changed(history: History) -> Section:
    """Baseline and candidate as they are known now; a part that nobody names is said to be not known."""
    numbers = (history.rollout.baseline.number, history.deployed.version.number if history.deployed else "")
    known = {each.version: each for each in history.identities}
    one, other = (known.get(number) for number in numbers)
    blocks: list[Block] = []
    if one is None or other is None:
        why = "what both versions are made of is not on the ledger"
        blocks.append(paragraph("The candidate changes: ", Missing(why)))
    else:
        proof = (one.evidence, other.evidence)
        found = compare(one.identity, other.identity)
        changed = [
            item(f"{each.part}: ", Cited(f"{short(each.before)} -> {short(each.after)}", proof))
            for each in found
            if each.answer is Sameness.CHANGED
        ]
        same = [each.part for each in found if each.answer is Sameness.SAME]
        unknown = [each.part for each in found if each.answer is Sameness.UNKNOWN]
        items = changed or [item("changed: ", Cited("nothing that is known", proof))]
        items += [item("the same: ", Cited(", ".join(same), proof))] if same else []
        items += [item("not known: ", Cited(", ".join(unknown), proof))] if unknown else []
        blocks += [paragraph("From the baseline to the candidate, part by part:"), bullets(*items)]
    if history.drifts:
        blocks += [paragraph("Changed by itself while the rollout ran, so that the evidence began anew:")]
        blocks += [bullets(*(_drift(each) for each in history.drifts))]
    return section(_TITLE, *blocks)


def _drift(drift: m.Drift) -> Item:
    return item(at(drift), ", ", Cited(f"{' and '.join(drift.variants)}: {drift.detail}", (drift.evidence,)))
