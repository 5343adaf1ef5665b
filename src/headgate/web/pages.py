"""The dashboard's pages as text: no script, nothing loaded from elsewhere, readable without colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from headgate.controller import queries
from headgate.reports.compared import HEADS, compared, refused
from headgate.reports.html import escape
from headgate.reports.style import CSS

_RENEW_S = 2
_MET = {True: "met", False: "not met", None: "not measured"}


def _page(title: str, body: str, *, renew: bool = False) -> str:
    refresh = f'<meta http-equiv="refresh" content="{_RENEW_S}">' if renew else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark">{refresh}\n<title>{escape(title)}</title>\n'
        f"<style>\n{CSS}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def error(text: str) -> str:
    return _page("Headgate", f'<h1>Headgate</h1><p>{escape(text)}</p><p><a href="/">all rollouts</a></p>')


def index(rows: Sequence[Mapping[str, Any]], now: float) -> str:
    """All rollouts, the newest first."""
    if not rows:
        body = "<p>No rollouts yet: <code>headgate rollout start PLAN</code> starts one.</p>"
    else:
        heads = ("Rollout", "Phase", "Weight", "Versions", "Started (UTC)", "By")
        body = _table(heads, [_row(row) for row in rows])
    return _page("Headgate: rollouts", f"<h1>Rollouts</h1><p>{_when(now)}</p>{body}", renew=True)


def act(verb: str, about: str, stands: str, person: str) -> str:
    """What a signed link would say, and the button that says it. `person`: whose link it is, "" a channel's."""
    name = f"<strong>{escape(person)}</strong>" if person else '<input name="by" required maxlength="100">'
    body = (
        f"<h1>{escape(verb)} {escape(about)}</h1><p>{escape(stands)}</p>"
        "<p>Nothing has happened yet. The button says it, once; your name and reason go on the ledger.</p>"
        f'<form method="post"><p><label>In the name of {name}</label></p>'
        '<p><label>Reason <input name="reason" required maxlength="500" size="60"></label></p>'
        f'<p><button type="submit">{escape(verb)}</button></p></form>'
    )
    return _page(f"Headgate: {verb} {about}", body)


def acted(verb: str, about: str, by: str) -> str:
    body = f'<h1>{escape(verb)} {escape(about)}</h1><p>Noted, by {escape(by)}.</p><p><a href="/">all rollouts</a></p>'
    return _page(f"Headgate: {verb} {about}", body)


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    link = f'<a href="/rollouts/{escape(row["id"])}">{escape(row["id"])}</a>'
    versions = f"{row['baseline']} → {row['candidate'] or '?'}"
    return (
        link,
        escape(row["phase"].replace("_", " ")),
        f"{row['weight']:g} %",
        escape(versions),
        _when(row["created_at"]),
        escape(row["started_by"]),
    )


def rollout(data: Mapping[str, Any], figures: Sequence[str], *, live: bool) -> str:
    """One rollout: where it stands, both variants' numbers, the verdict and why, what is drawn."""
    verdict = data["verdict"]
    said = f"<strong>{verdict['answer']}</strong>: {escape(verdict['reason'])}" if verdict else "no verdict yet"
    waits = f"<p>Waits for {escape(data['waits_for'])}.</p>" if data["waits_for"] else ""
    parts = [
        f'<p><a href="/">all rollouts</a> · <a href="/rollouts/{escape(data["id"])}/report">status document</a></p>',
        f"<h1>{escape(data['id'])}</h1>",
        f"<p><strong>{escape(data['phase'].replace('_', ' '))}</strong> at {data['weight']:g} % of new sessions: "
        f"version {escape(data['candidate'] or '?')} over {escape(data['baseline'])}. {escape(data['reason'])}</p>",
        waits,
        _changes(data),
        f"<h2>Verdict</h2><p>{said}</p>",
        _compared(data["look"], sum(n["refused_values"] for n in data["variants"].values())),
        f"<h2>Steps</h2>{_steps(data)}",
        f"<h2>Numbers since the start</h2>{_variants(data['variants'])}",
        _window(data["window"]),
        _rollback(data["rollback"]),
        *(f"<figure>{svg}</figure>" for svg in figures),
    ]
    return _page(f"Headgate: {data['id']}", "\n".join(part for part in parts if part), renew=live)


def _changes(data: Mapping[str, Any]) -> str:
    """What the candidate changes, and what changed by itself."""
    lines = [queries.changes_in_words(data["changes"])] if data["changes"] else []
    for drift in data["drifts"]:
        who = " and ".join(drift["variants"])
        lines.append(f"{who} changed without a deployment: {drift['detail']} ({drift['record']})")
    return "".join(f"<p>{escape(line)}</p>" for line in lines)


def _compared(look: Mapping[str, Any] | None, wrong: int) -> str:
    """What the last look compared, with n and bounds; how many values that agents told were refused."""
    if look is None:
        return ""
    rows = [tuple(escape(text) for text in each) for each in compared(look)]
    note = f"<p>{refused(wrong)}</p>" if wrong else ""
    return f"<h2>What is compared</h2>{_table(HEADS, rows)}{note}" if rows else ""


def _steps(data: Mapping[str, Any]) -> str:
    rows = [(f"{s['weight']:g} %", f"{s['bake_s']:g} s", str(s["min_sessions"]), s["state"]) for s in data["steps"]]
    gates = [
        (escape(g["gate"]), "gate", escape(g["detail"]), "passed" if g["passed"] else "failed") for g in data["gates"]
    ]
    return _table(("Step", "Bake", "Sessions at least", "State"), [*gates, *rows])


def _variants(variants: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for name, n in variants.items():
        rate = "not measured" if n["error_rate"] is None else f"{n['error_rate']:.2%}"
        times = ["not measured" if n[q] is None else f"{n[q]:.0f} ms" for q in ("p50_ms", "p95_ms")]
        rows.append((name, escape(str(n["version"] or "-")), str(n["sessions"]), str(n["requests"]), rate, *times))
    return _table(("Variant", "Version", "Sessions", "Turns", "Errors", "p50", "p95"), rows)


def _window(window: Mapping[str, Any] | None) -> str:
    if window is None:
        return ""
    speed = f", accelerated ×{window['speed']:g}" if window["speed"] != 1 else ""
    head = f"Hour {window['at_s'] / 3600:.1f} of {window['until_s'] / 3600:g}{speed}; {window['checks']} checks."
    rows = [(c["tier"], escape(c["text"]), _MET[c["met"]], escape(c["detail"])) for c in window["criteria"]]
    return f"<h2>Validation window</h2><p>{head}</p>{_table(('', 'Criterion', 'Answer', 'Measured'), rows)}"


def _rollback(back: Mapping[str, Any] | None) -> str:
    if back is None:
        return ""
    cut = "not cut over yet" if back["cut_over_s"] is None else f"cut over in {back['cut_over_s']:.2f} s"
    debt = "not measured yet" if back["debt"] is None else f"{back['debt']} sessions, the oldest {back['oldest_s']:g} s"
    text = f"By {escape(back['by'])}: {escape(back['reason'])}. {cut}; exposure debt {debt}."
    return f"<h2>Rollback</h2><p>{text}</p>"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are HTML already."""
    head = "".join(f"<th>{h}</th>" for h in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>"


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
