"""The HTML of a report: one page without scripts or links to elsewhere, readable in dark and light and on paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark; --ink: #1b2330; --soft: #5c6675; --paper: #ffffff; --raised: #f4f6f9; --line: #d5dae2;
  --blue: #2f6fde; --fill: #dfe9fb; --green: #cfeee0; --gold: #fbedc8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e8f0; --soft: #98a3b3; --paper: #14181f; --raised: #1d232d;
  --line: #343d4b; --blue: #7aa7f7; --fill: #223558; --green: #1d4536; --gold: #4d4118; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1060px; padding: 28px 22px 60px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 26px; margin: 0 0 2px; } h2 { font-size: 18px; margin: 34px 0 8px; }
p { margin: 6px 0; } .soft { color: var(--soft); } code, pre { font-family: ui-monospace, Menlo, Consolas, monospace; }
pre { background: var(--raised); padding: 10px 12px; border-radius: 7px; overflow-x: auto; font-size: 13px; }
.cards { display: flex; flex-wrap: wrap; gap: 12px; margin: 16px 0; }
.card { flex: 1 1 180px; background: var(--raised); border-radius: 9px; padding: 10px 14px; }
.card b { display: block; font-size: 21px; } .card span { color: var(--soft); font-size: 13px; }
table { border-collapse: collapse; font-size: 13px; margin: 6px 0; } .wide { overflow-x: auto; }
th { text-align: left; color: var(--soft); font-weight: 600; } td, th { padding: 4px 14px 4px 0; vertical-align: top;
  border-bottom: 1px solid var(--line); } td.n { text-align: right; font-variant-numeric: tabular-nums; }
.m { color: var(--soft); font-size: 11px; border: 1px solid var(--line); border-radius: 4px; padding: 0 4px;
  white-space: nowrap; } .warn { background: var(--gold); padding: 8px 12px; border-radius: 7px; }
svg.plot { max-width: 100%; height: auto; } svg.plot text { fill: currentColor; }
svg.drawing { width: 100%; height: auto; display: block; margin: 6px 0; }
.drawing text { fill: var(--ink); font-size: 11px; } .drawing .name { font-size: 13px; font-weight: 600; }
.drawing .where { fill: var(--soft); } .drawing .wire { fill: none; stroke: var(--soft); stroke-width: 1.4; }
.drawing .tip { fill: var(--soft); } .drawing rect { stroke: var(--line); fill: var(--raised); }
.drawing .box { fill: var(--fill); stroke: var(--blue); } .drawing .given { fill: var(--green); rx: 20px; }
.drawing .light { stroke-dasharray: 4 3; } .drawing .cells { fill: var(--fill); stroke: var(--blue); stroke-width: .8; }
.drawing .lattice { stroke: var(--blue); stroke-width: .5; } .drawing .memory { fill: var(--gold); stroke: none; }
.drawing .empty { fill: none; } .drawing .chip { fill: var(--paper); stroke: var(--soft); stroke-width: 1.6; }
details summary { cursor: pointer; color: var(--blue); margin: 6px 0; }
@media print { body { max-width: none; padding: 0; } h2 { break-after: avoid; } svg, tr, .card {
  break-inside: avoid; } }
"""

MODELLED = '<span class="m" title="computed from the constants listed below, not measured">modelled</span>'


def page(title: str, parts: Iterable[str]) -> str:
    """A whole HTML page."""
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def section(title: str, *parts: str) -> str:
    """A heading and what is below it; nothing when nothing is below."""
    body = "\n".join(part for part in parts if part)
    return f"<section><h2>{escape(title)}</h2>\n{body}</section>" if body else ""


def card(value: str, label: str, modelled: bool = False) -> str:
    return f'<div class="card"><b>{escape(value)}</b><span>{escape(label)} {MODELLED if modelled else ""}</span></div>'


def note(text: str) -> str:
    return f'<p class="soft">{escape(text)}</p>'


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A table of texts; `numbers` are the columns set flush right."""
    if not rows:
        return ""
    head = "".join(f"<th>{escape(h)}</th>" for h in heads)
    body = "".join(
        "<tr>"
        + "".join(f"<td{' class=n' if i in numbers else ''}>{escape(c)}</td>" for i, c in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(text: str, number: bool) -> str:
    return f'<td class="n">{escape(text)}</td>' if number else f"<td>{escape(text)}</td>"


def folded(label: str, body: str) -> str:
    """Shown on demand."""
    return f"<details><summary>{escape(label)}</summary>{body}</details>" if body else ""
