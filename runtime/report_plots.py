"""The plots of a report as inline SVG: they take the page's text colour, so that dark and light both read well."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from cospace.compiler.model import Space
from cospace.compiler.units import natural_unit
from cospace.runtime.report_data import Result, Work, number
from matplotlib.figure import Figure

INK = "#010203"
"""Drawn in this colour, replaced by the page's own."""
COLOURS = ("#4c8bf5", "#e8743b", "#19a979", "#b661d6", "#d6a419", "#13a4b4", "#e0518d", "#8f8f8f")
STYLE = {
    "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9, "axes.spines.top": False,
    "axes.spines.right": False, "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK,
    "ytick.color": INK, "axes.grid": True, "grid.color": INK, "grid.alpha": 0.12, "legend.frameon": False,
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
}  # fmt: skip


def to_svg(figure: Figure, name: str) -> str:
    """The figure as an SVG element; `name` makes its ids its own in the page."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    return text.replace(INK, "currentColor").replace("<svg ", f'<svg role="img" class="plot" aria-label="{name}" ', 1)


def plot_pareto(result: Result) -> str:
    """Error on the choice split against the first modelled objective: the front, the dominated, the baseline."""
    modelled = [t for t, o in result.objectives.items() if o["modelled"]]
    columns = list(result.pareto[0]) if result.pareto else []
    text = next((t for t in modelled if any(c == t or c.startswith(f"{t} [") for c in columns)), None)
    if text is None or "error_choice" not in columns:
        return ""
    column = next(c for c in columns if c == text or c.startswith(f"{text} ["))
    points = [
        (x, y, str(row.get("dominated")) in ("1", "True", "true"))
        for row in result.pareto
        if (x := number(row[column])) is not None and (y := number(row["error_choice"])) is not None
    ]
    if not points:
        return ""
    with matplotlib.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.4, 3.6))
        rest = [p for p in points if p[2]]
        front = sorted(p for p in points if not p[2])
        if rest:
            axes.scatter(*_xy(rest), s=14, color=COLOURS[7], alpha=0.5, label="dominated")
        axes.plot(*_xy(front), "-o", ms=5, color=COLOURS[0], label="Pareto front")
        chosen = result.objectives[text]["value"]
        error = _chosen_error(result)
        if chosen is not None and error is not None:
            axes.scatter([chosen], [100 * error], s=110, facecolors="none", edgecolors=COLOURS[1], lw=2, label="chosen")
        base = _baseline(result, text)
        if base is not None:
            name = "baseline " + result.design["baseline"]["name"]
            axes.axvline(base, color=COLOURS[2], ls="--", lw=1.2, label=name)
        if all(p[0] > 0 for p in points):
            axes.set_xscale("log")
        unit = result.objectives[text]["unit"]
        axes.set_xlabel(f"{text}{f' [{unit}]' if unit else ''} (modelled)")
        axes.set_ylabel("error on the choice split [%]")
        axes.legend()
        return to_svg(figure, "pareto")


def _xy(points: Sequence[tuple[float, float, bool]]) -> tuple[list[float], list[float]]:
    return [x for x, _, _ in points], [100 * y for _, y, _ in points]


def _chosen_error(result: Result) -> float | None:
    accuracy = result.design["accuracy"]["choice"]
    return None if accuracy is None else 1 - accuracy


def _baseline(result: Result, text: str) -> float | None:
    for objective in (result.design["baseline"] or {}).get("objectives", ()):
        if objective.get("text") == text:
            return number(objective.get("value"))
    return None


def plot_curves(result: Result) -> str:
    """Loss and accuracy over the steps of each phase."""
    panels = (("loss", ("loss",)), ("accuracy [%]", ("accuracy", "error")))
    series: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for event in result.history:
        step = number(event.get("step"))
        if step is None or event.get("kind", "step") != "step":
            continue
        for name, value in event.items():
            found = number(value)
            for title, words in panels:
                if found is not None and name not in ("step", "total") and any(w in name for w in words):
                    shown = found if title == "loss" else 100 * (1 - found if "error" in name else found)
                    label = f"{event.get('phase', '')}: {name.replace('error', 'accuracy').replace('_', ' ')}"
                    series.setdefault(title, {}).setdefault(label, []).append((step, shown))
    series = {title: lines for title, _ in panels if (lines := series.get(title))}
    if not series:
        return ""
    with matplotlib.rc_context(STYLE):
        figure, rows = plt.subplots(1, len(series), figsize=(4.6 * len(series), 3.2), squeeze=False)
        for axes, (title, lines) in zip(rows[0], series.items(), strict=True):
            for i, (label, points) in enumerate(lines.items()):
                style = {"label": label} if i < 7 else {"alpha": 0.35}
                axes.plot(*zip(*points, strict=True), lw=1.3, color=COLOURS[min(i, 7)], **style)
            axes.set_xlabel("step")
            axes.set_ylabel(title)
            axes.legend(fontsize=7)
        figure.tight_layout()
        return to_svg(figure, "curves")


def plot_works(works: Sequence[Work], space: Space) -> str:
    """Cycles and energy of each work, one bar a layer, stacked by kind; works that come several times are weighed."""
    names = [n for n in ("cycles", "energy") if any(n in w.figures for w in works)]
    if not names:
        return ""
    layers = list(dict.fromkeys(w.layer or w.path for w in works))
    with matplotlib.rc_context(STYLE):
        height = 0.9 + 0.42 * len(layers)
        figure, rows = plt.subplots(1, len(names), figsize=(4.6 * len(names), height), squeeze=False, sharey=True)
        kinds = list(dict.fromkeys(w.kind for w in works))
        for axes, name in zip(rows[0], names, strict=True):
            unit, scale = _unit(works, name, space)
            ends: dict[str, float] = dict.fromkeys(layers, 0.0)
            labelled: set[str] = set()
            for w in works:
                if name not in w.figures:
                    continue
                value = w.figures[name].base * w.times / scale
                at = w.layer or w.path
                label = {} if w.kind in labelled else {"label": w.kind}
                labelled.add(w.kind)
                colour = COLOURS[kinds.index(w.kind) % 8]
                axes.barh(layers.index(at), value, left=ends[at], color=colour, height=0.6, **label)
                ends[at] += value
            axes.set_xlabel(f"{name}{f' [{unit}]' if unit else ''} (modelled)")
            axes.set_yticks(range(len(layers)), layers)
            axes.set_ylim(len(layers) - 0.5, -0.5)
            axes.grid(axis="y", visible=False)
        rows[0][0].legend(fontsize=7)
        figure.tight_layout()
        return to_svg(figure, "works")


def _unit(works: Sequence[Work], name: str, space: Space) -> tuple[str, float]:
    """A unit that suits the largest of these figures, and its size in base units."""
    placements = {w.path: w.placements for w in space.works}
    largest = max((w for w in works if name in w.figures), key=lambda w: abs(w.figures[name].base))
    for placement in placements.get(largest.path, ()):
        for own, expr in placement.quantities:
            if own == name:
                unit, scale = natural_unit(Fraction(largest.figures[name].base), expr.type.unit)
                return unit, float(scale)
    return largest.figures[name].unit, 1.0


def sizes(rows: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """(designs on the front, designs in all)."""
    return sum(str(r.get("dominated")) not in ("1", "True", "true") for r in rows), len(rows)
