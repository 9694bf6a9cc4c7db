"""A mapping as a picture: for each layer its loop nest or its maps, and bars of the cycles and the energy it takes.

Drawn from a record of `compiler.mapping.describe` alone.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from cospace.compiler.mapping import in_base, nest
from cospace.compiler.mapping_missing import sentence
from cospace.compiler.space.model import spell_shown
from cospace.runtime.report_text import figure

COLOURS = ("#4c8bf5", "#e8743b", "#19a979", "#b661d6", "#d6a419", "#13a4b4", "#e0518d", "#8f8f8f")
BARS = ("cycles", "energy")
MOST = 40
"""Layers that are drawn, those that take most."""
LETTERS, LINE, WIDTH = 66, 15, 1020
LEFT, SPACE, BAR = 476, 24, 250
STYLE = """
.mapping { color: #1b2330; } .mapping text { fill: currentColor; font: 11px system-ui, sans-serif; }
.mapping .name { font-weight: 600; font-size: 12px; } .mapping .nest { font-family: ui-monospace, Menlo, monospace; white-space: pre; }
.mapping .rule { stroke: currentColor; stroke-opacity: .2; } .mapping .soft { fill-opacity: .65; }
.mapping .ground { fill: #ffffff; } .mapping .none { fill: #c0392b; font-weight: 600; }
@media (prefers-color-scheme: dark) { .mapping { color: #e3e8f0; } .mapping .ground { fill: #14181f; } }
"""  # noqa: E501


def picture_of(record: Mapping[str, Any]) -> str:
    """A file of its own."""
    drawn = draw_mapping(record, '<rect class="ground" width="100%" height="100%"/>')
    return drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"


def draw_mapping(record: Mapping[str, Any], ground: str = "") -> str:
    """The layers of a design as an SVG element, those alike once."""
    layers: list[Mapping[str, Any]] = list(record["layers"])
    bars = [name for name in BARS if any(name in x["quantities"] for x in layers)]
    largest = {name: max((_taken(x, name) for x in layers), default=0.0) for name in bars}
    kept = sorted(layers, key=lambda x: -max((_taken(x, n) / (largest[n] or 1) for n in bars), default=0))[:MOST]
    shown = [x for x in layers if x in kept or x["maps"] is None]
    parts = list(dict.fromkeys(part for x in shown for split in x["splits"].values() for part in split))
    colours = {part: COLOURS[n % len(COLOURS)] for n, part in enumerate(parts)}
    drawn, y = _legend(bars, colours)
    for layer in shown:
        row, high = _row(layer, bars, largest, colours, y)
        drawn += row
        y += high
    if len(shown) < len(layers):
        drawn.append(_text(8, y + 16, f"and {len(layers) - len(shown)} layers that take less", "soft"))
        y += 26
    name = escape(f"mapping of {record['space']}", quote=True)
    return (
        f'<svg class="mapping" role="img" aria-label="{name}" viewBox="0 0 {WIDTH} {y:.0f}" '
        f'style="max-width:{WIDTH}px;width:100%"><style>{STYLE}</style>{ground}{"".join(drawn)}</svg>'
    )


def _taken(layer: Mapping[str, Any], name: str) -> float:
    """What all works of a layer take together."""
    found = layer["quantities"].get(name)
    return max(0.0, in_base(found)) * layer["times"] if found is not None and "exact" in found else 0.0


def _legend(bars: Sequence[str], colours: Mapping[str, str]) -> tuple[list[str], float]:
    drawn = [_text(LEFT + n * (BAR + SPACE), 18, name, "name") for n, name in enumerate(bars)]
    x = 8.0
    for part, colour in colours.items():
        drawn.append(f'<rect x="{x:.0f}" y="9" width="10" height="10" fill="{colour}"/>{_text(x + 14, 18, part)}')
        x += 28 + 7 * len(part)
    return drawn, 30.0


def _row(
    layer: Mapping[str, Any], bars: Sequence[str], largest: Mapping[str, float], colours: Mapping[str, str], y: float
) -> tuple[list[str], float]:
    """A layer at a height, and how high it is."""
    times = f"  \u00d7 {figure(layer['times'])}" if layer["times"] != 1 else ""
    at = "".join(f", {path} = {value}" for path, value in layer["at"].items())
    lines = [(_cut(layer["works"][0], LETTERS - 10) + times, "name"), (_cut(layer["rule"] + at, LETTERS + 6), "soft")]
    maps = ", ".join(f"{k} = {spell_shown(v)}" for k, v in (layer["maps"] or {}).items())
    lines += [(line, "soft") for line in textwrap.wrap(layer.get("unproved", ""), LETTERS + 6)]
    lines += [(line, "nest") for line in (list(nest(layer["loops"])) or textwrap.wrap(maps, LETTERS))]
    if layer["maps"] is None:
        lines.append(("no mapping was met" if "unproved" in layer else "no mapping fits", "none"))
        for broken in layer["missing"]["missing"]:
            lines += [(line, "soft") for line in textwrap.wrap(sentence(broken), LETTERS + 6)]
    drawn = [f'<line class="rule" x1="8" x2="{WIDTH - 8}" y1="{y:.0f}" y2="{y:.0f}"/>']
    drawn += [_text(8, y + 16 + LINE * n, line, kind) for n, (line, kind) in enumerate(lines)]
    for n, name in enumerate(bars):
        drawn += _bar(layer, name, largest[name], colours, LEFT + n * (BAR + SPACE), y + 8)
    return drawn, max(LINE * len(lines) + 12.0, 54.0)


def _bar(
    layer: Mapping[str, Any], name: str, largest: float, colours: Mapping[str, str], x: float, y: float
) -> list[str]:
    found = layer["quantities"].get(name)
    if found is None or "exact" not in found:
        return []
    wide = BAR * _taken(layer, name) / largest if largest else 0.0
    split = layer["splits"].get(name)
    drawn, end = [], x
    if split:
        whole = sum(in_base(f) for f in split.values()) or 1.0
        for part, f in split.items():
            share = wide * in_base(f) / whole
            tip = f"<title>{escape(part)} {escape(figure(f['value'], f['unit']))}</title>"
            drawn.append(
                f'<rect x="{end:.1f}" y="{y:.1f}" width="{share:.2f}" height="14" fill="{colours[part]}">{tip}</rect>'
            )
            end += share
    else:
        drawn.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(wide, 0.5):.2f}" height="14" fill="#8f8f8f"/>')
    said = figure(found["value"], found["unit"]) + (" each" if layer["times"] != 1 else "")
    used = next((f for k, f in layer["quantities"].items() if k.rpartition(".")[2] == "utilisation"), None)
    if name == BARS[0] and used is not None:
        said += f", {100 * used['value']:.0f} % utilised"
    return [*drawn, _text(x, y + 28, said, "soft")]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}\u2026"


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}" xml:space="preserve">{escape(text)}</text>'


__all__ = ["draw_mapping", "picture_of"]
