"""No step is left before enough of its recorded sessions have a score: a late metric must not be outrun."""

from __future__ import annotations

from dataclasses import replace

from headgate.core.model import Answer, Verdict


def wait_for_scores(
    verdict: Verdict, recorded: int, scored: int, share: float, what: str = "recorded sessions"
) -> Verdict:
    """A PASS becomes INCONCLUSIVE while less than `share` (0..1) of the step's recorded sessions is scored.

    Nothing recorded is nothing scored: what was to be measured was not. A FAIL stays what it is.
    """
    if verdict.answer is not Answer.PASS or (recorded and scored >= share * recorded - 1e-9):
        return verdict
    if not recorded:
        return replace(verdict, answer=Answer.INCONCLUSIVE, reason=f"quality: there are no {what} of this step")
    reason = f"quality: {scored} of {recorded} {what} of this step are scored, {share:.0%} are needed"
    return replace(verdict, answer=Answer.INCONCLUSIVE, reason=reason)
