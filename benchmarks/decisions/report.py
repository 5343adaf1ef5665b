"""Rows -> tables in Markdown, for the screen and for the documents."""

from benchmarks.decisions.summary import above, mean_ratio
from benchmarks.decisions.targets import family, held_out, score, study, suspicious, valid


def table(head, body):
    """A Markdown table, columns padded so that it reads well as text too."""
    cells = [head, ["-" * len(each) for each in head], *body]
    widths = [max(len(line[i]) for line in cells) for i in range(len(head))]
    padded = ([cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in cells)
    return "\n".join("| " + " | ".join(line) + " |" for line in padded)


def _rules(rows):
    return list(dict.fromkeys(row.rule for row in rows))


def _scenarios(rows, kinds):
    return list(dict.fromkeys(row.scenario for row in rows if row.kind in kinds and not family(row)))


def _at(rows):
    return {(row.rule, row.scenario): row for row in rows}


def _number(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def overview(rows, alpha):
    """A line per rule: valid, score, power, onsets, promotions."""
    body = []
    for rule in _rules(rows):
        mine = [row for row in rows if row.rule == rule]
        against = valid(mine, alpha)
        worse = [row for row in mine if row.kind == "regression" and not family(row)]
        strong = sum(row.found >= 0.95 * (row.n - row.wrong) for row in worse)
        same = [row for row in mine if row.scenario in ("aa", "better")]
        body.append(
            [
                rule,
                "yes" if not against else f"no ({len(against)})",
                _number(score(mine)),
                _number(study(mine)),
                _number(held_out(mine)),
                f"{strong} of {len(worse)}",
                _number(mean_ratio(mine, lambda row: row.scenario.startswith("onset_err"))),
                _number(mean_ratio(mine, lambda row: row.scenario.startswith("onset_lat"))),
                " / ".join(f"{row.early / row.n:.0%}" for row in same) or "-",
            ]
        )
    head = ["rule", "valid", "score", "study's", "random", "power >= 95 %", "error onsets", "latency onsets"]
    return table([*head, "early: aa / better"], body)


def false_rollbacks(rows, alpha):
    """A line per null and onset, a column per rule: the share rolled back although no worse; * where that is
    significantly above alpha.
    """
    cells, rules, body = _at(rows), _rules(rows), []
    for name in _scenarios(rows, ("null", "onset")):
        mine = [cells.get((rule, name)) for rule in rules]
        body.append([name, *(_rate(row, alpha) for row in mine)])
    some = {rule: [row for row in rows if row.rule == rule and family(row) and row.kind == "null"] for rule in rules}
    if any(some.values()):
        body.append(["random nulls", *(_pooled(some[rule], alpha) for rule in rules)])
    return table(["false rollbacks", *rules], body)


def _rate(row, alpha):
    if row is None:
        return "-"
    return f"{row.wrong / row.n:.3f}" + ("*" if suspicious(row, alpha) else "")


def _pooled(rows, alpha):
    wrong, n = sum(row.wrong for row in rows), sum(row.n for row in rows)
    return "-" if not n else f"{wrong / n:.3f}" + ("*" if above(wrong, n, alpha) < 0.05 else "")


def exposures(rows):
    """A line per regression: the bound in candidate requests, and each rule's exposure over it; power where below 1."""
    cells, rules, body = _at(rows), _rules(rows), []
    for name in _scenarios(rows, ("regression", "onset", "decay")):
        mine = [cells.get((rule, name)) for rule in rules]
        least = next(row.bound for row in mine if row)
        body.append([name, _number(least), *(_ratio(row) for row in mine)])
    return table(["exposure / bound (power)", "bound", *rules], body)


def _ratio(row):
    if row is None:
        return "-"
    n = row.n - row.wrong - row.before
    power = "" if not n or row.found == n else f" ({row.found / n:.2f})"
    return _number(row.ratio) + power


def promotions(rows):
    """A line per scenario: the share promoted, of which before the end; scenarios where that is false are marked."""
    cells, rules, body = _at(rows), _rules(rows), []
    for name in _scenarios(rows, ("null", "regression")):
        mine = [cells.get((rule, name)) for rule in rules]
        first = next(row for row in mine if row)
        label = "no worse" if first.kind == "null" else "beyond a margin" if first.beyond else "within the margins"
        body.append([name, label, *("-" if row is None else f"{row.promoted / row.n:.2f}" for row in mine)])
    return table(["promoted", "candidate", *rules], body)


def targets(lines):
    """The targets and whether they hold."""
    body = []
    for line in lines:
        holds = ("yes" if line.held else "NO") + ("" if line.must else " (goal)")
        body.append([line.name, line.value, line.wanted, holds])
    return table(["target", "measured", "wanted", "holds"], body)
