"""What was compared at a look, as text: the same on the command line, the dashboard and in reports."""

from headgate.reports.compared import HEADS, Compared, compared
from headgate.reports.html import escape
from headgate.web import pages

LOOK = {
    "metrics": [
        {
            "metric": "tool_calls",
            "unit": "count",
            "baseline": 2.04,
            "candidate": 2.5,
            "n_baseline": 1200,
            "n_candidate": 130,
            "evidence": 3.2,
            "margin_text": "tool_calls x1.5",
            "margin_proven": True,
            "harm_is_ratio": True,
            "harm_lower": 1.0,
            "harm_upper": 1.25,
        },
        {"metric": "error", "unit": "share", "baseline": 0.01, "candidate": 0.02, "margin_text": "error +1pp"},
    ],
    "objectives": [
        {
            "metric": "helpful",
            "unit": "score",
            "baseline": 0.7,
            "candidate": 0.75,
            "harm_lower": None,
            "harm_upper": -0.01,
            "required": True,
            "improved": True,
        }
    ],
    "observed": [{"metric": "search_p95", "unit": "ms", "baseline": 120.0, "candidate": None, "n_candidate": 0}],
}


def test_every_role_has_its_row():
    """n beside each value, bounds in the metric's own way, what was asked and the answer; what was not told says so."""
    assert list(compared(LOOK)) == [
        Compared("tool_calls", "guardrail", "2.04 (1,200)", "2.5 (130)", "x1 to x1.25", "3.2 : 1", "x1.5", "excluded"),
        Compared("error", "guardrail", "1 %", "2 %", "open", "not measured", "+1pp", "not yet"),
        Compared(
            "helpful",
            "objective",
            "0.7",
            "0.75",
            "open to -0.01",
            "not measured",
            "improved",
            "improved",
        ),
        Compared("search_p95", "observed", "120 ms", "not measured", "open", "not measured", "", ""),
    ]


def test_an_old_look_has_what_it_has():
    """Ledgers from before there were objectives, and looks without data."""
    assert [row.metric for row in compared({"metrics": LOOK["metrics"]})] == ["tool_calls", "error"]
    assert list(compared({})) == []


def test_the_dashboard_has_the_table():
    """Each row of a look, escaped; no look, no table."""
    data = {
        **dict.fromkeys(("verdict", "window", "rollback", "look"), None),
        **{"id": "r", "waits_for": "", "phase": "stepping", "weight": 10.0, "candidate": "2", "baseline": "1"},
        **{"reason": "x", "steps": [], "gates": [], "variants": {}, "changes": None, "drifts": ()},
    }
    page = pages.rollout({**data, "look": LOOK}, [], live=False)
    for row in compared(LOOK):
        assert "".join(f"<td>{escape(text)}</td>" for text in row) in page
    assert all(f"<th>{head}</th>" in page for head in HEADS)
    assert "What is compared" not in pages.rollout(data, [], live=False)
