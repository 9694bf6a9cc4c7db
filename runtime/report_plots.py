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
from cospace.compiler.space.model import Space
from cospace.compiler.space.units import natural_unit
from cospace.runtime.report_data import Result, Work, number
from matplotlib.figure import Figure

INK = "#010203"
"""Drawn in this colour, replaced by the page's own."""
COLOURS = ("#4c8bf5", "#e8743b", "#19a979", "#b661d6", "#d6a419", "#13a4b4", "#e0518d", "#8f8f8f")
BEST = "best met"
PANELS = (("loss", ("loss",)), ("accuracy [%]", ("accuracy", "error")), (BEST, ("best",)))
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
    """The first modelled objective against the error on the choice split, or against the second where nothing was
    trained: the front, the dominated, the chosen, the baseline."""
    columns = list(result.pareto[0]) if result.pareto else []
    texts = [t for t, o in result.objectives.items() if o["modelled"]]
    across = [(t, c) for t in texts if (c := next((c for c in columns if c == t or c.startswith(f"{t} [")), None))]
    trained = "error_choice" in columns
    if len(across) < 2 - trained:
        return ""
    (text, column), up = across[0], ("error_choice" if trained else across[1][1])
    factor = 100 if trained else 1
    points = [
        (x, factor * y, str(row.get("dominated")) in ("1", "True", "true"))
        for row in result.pareto
        if (x := number(row[column])) is not None and (y := number(row[up])) is not None
    ]
    if not points:
        return ""
    other = _chosen_error(result) if trained else result.objectives[across[1][0]]["value"]
    chosen = result.objectives[text]["value"]
    with matplotlib.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.4, 3.6))
        rest = [p for p in points if p[2]]
        front = sorted(p for p in points if not p[2])
        if rest:
            axes.scatter(*_xy(rest), s=14, color=COLOURS[7], alpha=0.5, label="dominated")
        axes.plot(*_xy(front), "-o", ms=5, color=COLOURS[0], label="Pareto front")
        if chosen is not None and other is not None:
            own = {"facecolors": "none", "edgecolors": COLOURS[1], "lw": 2, "label": "chosen"}
            axes.scatter([chosen], [factor * other], s=110, **own)
        base = _baseline(result, text)
        if base is not None:
            name = "baseline " + result.design["baseline"]["name"]
            axes.axvline(base, color=COLOURS[2], ls="--", lw=1.2, label=name)
        if all(p[0] > 0 for p in points):
            axes.set_xscale("log")
        unit = result.objectives[text]["unit"]
        axes.set_xlabel(f"{text}{f' [{unit}]' if unit else ''} (modelled)")
        axes.set_ylabel("error on the choice split [%]" if trained else f"{up} (modelled)")
        axes.legend()
        return to_svg(figure, "pareto")


def plot_ranking(result: Result) -> str:
    """The error of each trained network on the choice split against its loss with shared weights."""
    points = [
        (x, 100 * y, False)
        for row in result.pareto
        if (x := number(row.get("loss_one_shot"))) is not None and (y := number(row.get("error_choice"))) is not None
    ]
    if not points:
        return ""
    with matplotlib.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(4.6, 3.2))
        axes.scatter(*_xy(points), s=24, color=COLOURS[0], alpha=0.8)
        losses, _ = _xy(points)
        if max(losses) > 10 * min(losses) > 0:
            axes.set_xscale("log")
        axes.set_xlabel("loss on the search split, shared weights")
        axes.set_ylabel("error on the choice split, trained [%]")
        return to_svg(figure, "ranking")


def _xy(points: Sequence[tuple[float, float, bool]]) -> tuple[list[float], list[float]]:
    return [x for x, _, _ in points], [y for _, y, _ in points]


def _chosen_error(result: Result) -> float | None:
    accuracy = result.design["accuracy"]["choice"]
    return None if accuracy is None else 1 - accuracy


def _baseline(result: Result, text: str) -> float | None:
    for objective in (result.design["baseline"] or {}).get("objectives", ()):
        if objective.get("text") == text:
            return number(objective.get("value"))
    return None


Line = list[tuple[float, float]]


def plot_curves(result: Result) -> str:
    """Loss, accuracy and the best met over the steps: one colour a kind of phase, one line for each time it ran."""
    panels = [(title, found) for title, words in PANELS if (found := _collect(result.history, title, words))]
    if not panels:
        return ""
    kinds = list(dict.fromkeys(kind for _, found in panels for kind in found))
    with matplotlib.rc_context(STYLE):
        figure, rows = plt.subplots(1, len(panels), figsize=(4.6 * len(panels), 3.2), squeeze=False)
        for axes, (title, found) in zip(rows[0], panels, strict=True):
            for kind, lines in found.items():
                colour = COLOURS[kinds.index(kind) % len(COLOURS)]
                label = kind if len(lines) == 1 else f"{kind}, {len(lines)} times"
                for i, line in enumerate(lines):
                    own = {"label": label} if i == 0 else {}
                    axes.plot(
                        *zip(*line, strict=True), lw=1.2, color=colour, alpha=0.85 if len(lines) == 1 else 0.5, **own
                    )
            values = sorted(y for lines in found.values() for line in lines for _, y in line)
            top = values[int(0.995 * (len(values) - 1))]
            if title != BEST and values[-1] > 1.5 * top > 0:  # a few spikes must not flatten everything else
                axes.set_ylim(top=1.1 * top)
            if title == BEST and values[0] > 0:
                axes.set_yscale("log")
            axes.set_xlabel("step")
            axes.set_ylabel(title)
            axes.legend(fontsize=7)
        figure.tight_layout()
        return to_svg(figure, "curves")


def _collect(history: Sequence[Mapping[str, Any]], title: str, words: Sequence[str]) -> dict[str, list[Line]]:
    """Kind of phase and quantity -> its runs; a run ends where its phase does or its steps start again."""
    found: dict[str, list[Line]] = {}
    last: dict[str, tuple[object, float]] = {}
    for event in history:
        step = number(event.get("step"))
        if step is None or event.get("kind", "step") != "step":
            continue
        for name, value in event.items():
            shown = number(value)
            if shown is None or name in ("step", "total") or not any(w in name for w in words):
                continue
            if "error" in name:
                name, shown = name.replace("error", "accuracy"), 1 - shown
            phase = str(event.get("phase", ""))
            kind = re.sub(r"\s*\d+(\s+of\s+\d+)?", "", phase).strip()
            kind = kind if name == words[0] else f"{kind}: {name.replace('_', ' ')}"
            before = last.get(kind)
            if before is None or before[0] != phase or before[1] >= step:
                found.setdefault(kind, []).append([])
            last[kind] = (phase, step)
            found[kind][-1].append((step, 100 * shown if "%" in title else shown))
    return found


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
