"""The style of HTML reports and of the drawings in them: light, dark, paper, and safe for the colour-blind."""

from __future__ import annotations

# blue and vermilion of Okabe and Ito, and their lighter kin on dark; dashes tell the lines apart without any colour
LIGHT = {
    "paper": "#ffffff",
    "ink": "#1b2127",
    "dim": "#5b6670",
    "rule": "#d9dee4",
    "soft": "#f4f6f8",
    "link": "#0b5c9c",
    "baseline": "#0072b2",
    "candidate": "#c14d00",
    "third": "#00795a",
    "fourth": "#8a4a8c",
    "good": "#00704f",
    "bad": "#a3123a",
}
DARK = {
    "paper": "#14181c",
    "ink": "#e8ecf0",
    "dim": "#9ca8b3",
    "rule": "#313940",
    "soft": "#1d2329",
    "link": "#7cc0f4",
    "baseline": "#56b4e9",
    "candidate": "#f0a030",
    "third": "#3fd0a4",
    "fourth": "#dfa3d9",
    "good": "#4fd0a0",
    "bad": "#ff7d95",
}
_PRINT = LIGHT | {"ink": "#000000", "dim": "#444444", "rule": "#bbbbbb", "soft": "#ffffff", "link": "#000000"}

# kind of line or area -> what is painted, with which colour, and the attributes that hold in any style
STROKE, FILL = "stroke", "fill"
MARKS = {
    "grid": (STROKE, "rule", 'stroke-width="1"'),
    "axis": (STROKE, "dim", 'stroke-width="1"'),
    "baseline": (STROKE, "baseline", 'fill="none" stroke-width="2" stroke-dasharray="6 3"'),
    "candidate": (STROKE, "candidate", 'fill="none" stroke-width="2"'),
    "asked": (STROKE, "dim", 'fill="none" stroke-width="1.5" stroke-dasharray="2 3"'),
    "first": (STROKE, "baseline", 'fill="none" stroke-width="1.6" stroke-dasharray="7 3"'),
    "second": (STROKE, "third", 'fill="none" stroke-width="1.6" stroke-dasharray="2 2"'),
    "third": (STROKE, "fourth", 'fill="none" stroke-width="1.6" stroke-dasharray="9 3 2 3"'),
    "fourth": (STROKE, "dim", 'fill="none" stroke-width="1.6" stroke-dasharray="4 4"'),
    "limit": (STROKE, "ink", 'stroke-width="1.2" stroke-dasharray="8 3 2 3"'),
    "event": (STROKE, "bad", 'stroke-width="1.5"'),
    "band": (FILL, "candidate", 'fill-opacity="0.14"'),
    "label": (FILL, "dim", ""),
    "title": (FILL, "ink", 'font-weight="600" font-size="13"'),
    "event-label": (FILL, "bad", 'font-weight="600"'),
}


def mark(kind: str) -> str:
    """The attributes of one mark: right on its own, and recoloured by CHART_CSS where that is at hand."""
    what, colour, more = MARKS[kind]
    return f'class="{kind}" {what}="{LIGHT[colour]}"' + (f" {more}" if more else "")


def _variables(palette: dict[str, str]) -> str:
    return " ".join(f"--{name}: {value};" for name, value in palette.items())


CHART_CSS = "".join(
    f".chart .{kind} {{ {what}: var(--{colour}, {LIGHT[colour]}); }}\n" for kind, (what, colour, _) in MARKS.items()
)
ALONE_CSS = f"{CHART_CSS}@media (prefers-color-scheme: dark) {{ .chart {{ {_variables(DARK)} }} }}\n"

CSS = f"""\
:root {{ {_variables(LIGHT)} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_variables(DARK)} }} }}
* {{ box-sizing: border-box; }}
html {{ -webkit-text-size-adjust: 100%; scroll-padding-top: 1rem; }}
body {{ margin: 0; background: var(--paper); color: var(--ink); }}
body {{ font: 16px/1.55 system-ui, "Segoe UI", Roboto, sans-serif; }}
main {{ max-width: 54rem; margin: 0 auto; padding: 2.5rem 1.25rem 5rem; overflow-wrap: break-word; }}
h1 {{ font-size: 1.9rem; line-height: 1.2; margin: 0 0 1rem; letter-spacing: -0.01em; }}
h2 {{ font-size: 1.35rem; margin: 2.6rem 0 0.8rem; padding-top: 1.1rem; border-top: 1px solid var(--rule); }}
h3 {{ font-size: 1.08rem; margin: 1.7rem 0 0.5rem; }}
h4 {{ font-size: 1rem; margin: 1.2rem 0 0.4rem; color: var(--dim); }}
p, ul, ol, dl, pre, figure, .wide {{ margin: 0.6rem 0; }}
ul, ol {{ padding-left: 1.4rem; }}
li {{ margin: 0.2rem 0; }}
li.tick {{ list-style: none; position: relative; }}
li.tick > .mark {{ position: absolute; left: -1.75em; top: 0.42em; }}
.mark {{ display: inline-block; width: 1.25em; height: 1.25em; border-radius: 50%; }}
.mark {{ font-size: 0.75em; line-height: 1.25em; font-weight: 700; text-align: center; }}
.mark {{ vertical-align: 0.08em; color: var(--paper); background: var(--dim); }}
.mark.met {{ background: var(--good); }}
.mark.not-met {{ background: var(--bad); }}
.mark.open, .mark.not-measured {{ background: none; color: var(--dim); box-shadow: inset 0 0 0 1.5px var(--dim); }}
h2 .mark, h3 .mark {{ margin-left: 0.3rem; }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: 0.25rem 1rem; }}
dt {{ color: var(--dim); }}
dd {{ margin: 0; min-width: 0; }}
header dl {{ background: var(--soft); border: 1px solid var(--rule); border-radius: 10px; padding: 0.9rem 1.1rem; }}
nav ul {{ list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: 0.25rem 1.1rem; font-size: 0.88rem; }}
a {{ color: var(--link); text-underline-offset: 2px; }}
code {{ font: 0.88em/1.4 ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }}
pre {{ background: var(--soft); border: 1px solid var(--rule); border-radius: 8px; }}
pre {{ padding: 0.8rem 1rem; overflow-x: auto; }}
pre code {{ overflow-wrap: normal; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; width: 100%; font-size: 0.9rem; font-variant-numeric: tabular-nums; }}
caption {{ text-align: left; color: var(--dim); padding-bottom: 0.4rem; }}
th, td {{ text-align: left; vertical-align: top; padding: 0.4rem 0.7rem 0.4rem 0; }}
th, td {{ border-bottom: 1px solid var(--rule); }}
thead th {{ color: var(--dim); font-weight: 600; border-bottom-width: 2px; }}
.refs {{ font-size: 0.72em; color: var(--dim); white-space: nowrap; margin-left: 0.25em; }}
.refs a {{ text-decoration: none; }}
.refs a:hover, .refs a:focus {{ text-decoration: underline; }}
h1 .refs, h2 .refs, h3 .refs {{ font-size: 0.5em; font-weight: 400; }}
.missing {{ color: var(--dim); }}
.chart {{ display: block; width: 100%; height: auto; }}
figure {{ border: 1px solid var(--rule); border-radius: 10px; padding: 0.9rem; }}
figcaption, details {{ font-size: 0.88rem; color: var(--dim); margin-top: 0.4rem; }}
summary {{ cursor: pointer; }}
footer {{ margin-top: 3rem; border-top: 2px solid var(--rule); padding-top: 0.6rem; font-size: 0.92rem; }}
.evidence {{ font-size: 0.85rem; }}
.evidence .when, .evidence code {{ white-space: nowrap; }}
.evidence tr:target {{ background: var(--soft); outline: 2px solid var(--link); }}
{CHART_CSS}@media (max-width: 40rem) {{ dl {{ grid-template-columns: 1fr; gap: 0; }} dd {{ margin-bottom: 0.5rem; }} }}
@media print {{
:root {{ {_variables(_PRINT)} }}
body {{ font-size: 10.5pt; }}
main {{ max-width: none; padding: 0; }}
nav {{ display: none; }}
h2, h3, h4 {{ break-after: avoid; }}
figure, tr, pre, li {{ break-inside: avoid; }}
.mark {{ print-color-adjust: exact; -webkit-print-color-adjust: exact; }}
details::details-content {{ content-visibility: visible; block-size: auto; }}
}}
"""
