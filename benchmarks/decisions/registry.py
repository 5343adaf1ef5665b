"""Every rule by name: how it is made for one rollout."""

from functools import partial

from benchmarks.decisions.label_bet import LabelBet
from benchmarks.decisions.ours import Ours
from benchmarks.decisions.peers_polled import Argo, CloudWatch, Flagger, Kayenta, Welch
from benchmarks.decisions.peers_sequential import GroupSequential, GrowthBook, Netflix
from benchmarks.decisions.rules import Oracle, Setting

OURS, ORACLE = "judge", "oracle"
PEERS = {
    "label_bet": LabelBet,
    "label_bet_cash": partial(LabelBet, cash=0.35),
    "growthbook_halves": partial(GrowthBook, halves=True),
    "growthbook_halves_bonf": partial(GrowthBook, halves=True, bonferroni=True),
    "growthbook": GrowthBook,
    "growthbook_bonf": partial(GrowthBook, bonferroni=True),
    "growthbook_strat": partial(GrowthBook, bonferroni=True, stratified=True),
    "group_sequential": GroupSequential,
    "netflix": Netflix,
    "kayenta": Kayenta,
    "welch_polled": Welch,
    "argo_docs": Argo,
    "argo_tuned": partial(Argo, tuned=True),
    "flagger_docs": Flagger,
    "flagger_tuned": partial(Flagger, tuned=True),
    "cloudwatch": CloudWatch,
}
NAMES = (OURS, ORACLE, *PEERS)


def made(name, rollout, alpha):
    """The rule of this name for this rollout."""
    if name == ORACLE:
        return Oracle(rollout, alpha)
    setting = Setting(rollout.history, rollout.scenario.requests, alpha)
    return Ours(setting) if name == OURS else PEERS[name](setting)
