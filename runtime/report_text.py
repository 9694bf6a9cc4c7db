"""Numbers and comparisons of a result in words, for the report and the summary of a search."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from cospace.compiler.exact.exact import Enclosure, evaluate
from cospace.compiler.space.model import Space
from cospace.dsl.diagnostics import Span
from cospace.runtime.ranking import FEWEST, LEVEL, Ranking
from cospace.runtime.report_data import Result, number

NARROWER = "the search chose them, so that they differ less, and are harder to rank, than networks at large"


def figure(value: Any, unit: str = "") -> str:
    """A number with four figures and its unit; anything else as it is."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "-"
    if not isinstance(value, (int, float)):
        return str(value)
    if float(value).is_integer() and abs(value) < 1e15:
        text = f"{int(value):,}"
    elif not math.isfinite(value) or abs(value) < 1e-3 or abs(value) >= 1e6:
        text = f"{value:.3e}"
    else:
        text = f"{value:.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    return f"{text} {unit}" if unit else text


def describe_tests(accuracies: Sequence[float]) -> str:
    """`81.20 ± 0.45 %`: mean and standard deviation over seeds."""
    spread = f" ± {100 * statistics.stdev(accuracies):.2f}" if len(accuracies) > 1 else ""
    return f"{100 * statistics.mean(accuracies):.2f}{spread} %"


Figures = tuple[tuple[float, str], tuple[float, str]]


def compare(result: Result) -> list[tuple[str, str, str, Figures]]:
    """For each modelled objective that the baseline has too: (`1.80x better`, its text, the baseline, both values)."""
    baseline = result.design["baseline"]
    if baseline is None:
        return []
    other = {str(o.get("text")): number(o.get("value")) for o in baseline["objectives"]}
    found = []
    for text, o in result.objectives.items():
        mine, theirs = o["value"], other.get(text)
        if not o["modelled"] or not mine or not theirs or mine < 0 or theirs < 0:
            continue
        gain = theirs / mine if o["sense"] == "minimize" else mine / theirs
        word = f"{gain:.2f}x better" if gain >= 1 else f"{1 / gain:.2f}x worse"
        found.append((word, text, baseline["name"], ((mine, o["unit"]), (theirs, o["unit"]))))
    return found


def describe_gap(result: Result, show: Callable[[float, str], str] = figure) -> str:
    """How far from the optimum the design is, in a sentence; empty where nothing says so. show: writes a number."""
    gap = result.design["gap"]
    if gap is None:
        return ""
    if gap["of"] == "accelerator":
        by = f" by the product of {', '.join(gap['by'])}" if len(gap["by"]) > 1 else ""
        if gap["state"] == "proved":
            return f"proved: no accelerator is better for this network{by}"
        return f"not proved; the accelerator is the best{by} that descent met for this network"
    first = next(iter(result.objectives.values()), None)
    reached = None if first is None else number(first["value"])
    if gap["state"] == "proved":
        met = gap["met"]
        if met is None or reached is None or met == reached:
            return "proved: nothing feasible is better"
        far = f", {abs(met - reached) / abs(reached):.2%} from it" if reached else ""
        return f"proved: nothing feasible is better; the engines met {show(met, gap['unit'])}{far}"
    if gap["bound"] is None:
        return "not proved; nothing is known of how much better a design could be"
    word = "more" if first is not None and first["sense"] == "maximize" else "less"
    far = "" if gap["share"] is None else f"at most {gap['share']:.2%} away: "
    return f"not proved; {far}no design has {word} than {show(gap['bound'], gap['unit'])}"


def describe_ranking(ranking: Ranking | None) -> str:
    """How well shared weights ranked the networks that were trained, in a sentence; empty where none were."""
    if ranking is None:
        return ""
    many = f"{ranking.networks} network{'s' if ranking.networks > 1 else ''}"
    if ranking.networks < FEWEST:
        return f"{many} {'are' if ranking.networks > 1 else 'is'} too few to tell how well shared weights rank"
    if ranking.tau is None:
        return f"nothing is known of how well shared weights rank: {many} tie"
    ends = f"{100 * LEVEL:g} % interval {ranking.low:.2f} to {ranking.high:.2f}"
    return f"tau {ranking.tau:.2f}, {ends}, of losses with shared weights against errors of {many} trained"


def budgets(result: Result) -> list[tuple[str, str]]:
    """(`87.3 %`, reason) for each written requirement that bounds a cost of the design by a constant."""
    if result.parsed is None:
        return []
    found = []
    for r in result.space.requirements:
        if r.origin != "written" or r.value.op != "le" or not r.value.args[1].is_const or not r.value.args[1].type.unit:
            continue
        used, limit = (_exact(evaluate(side, result.parsed)) for side in r.value.args)
        if used is not None and limit and evaluate(r.guard, result.parsed) is True:
            found.append((f"{float(100 * used / limit):.1f} %", r.reason))
    return found


def _exact(value: object) -> Fraction | None:
    if isinstance(value, Enclosure):
        return value.middle
    return value if isinstance(value, Fraction) and not isinstance(value, bool) else None


def source_of(space: Space, span: Span) -> str:
    """The text at a place, with its file and line; empty where there is none."""
    text = dict(space.sources).get(span.file)
    if text is None or span.end <= span.start:
        return ""
    line = text.count("\n", 0, span.start) + 1
    shown = " ".join(text[span.start : span.end].split())
    return f"{shown if len(shown) <= 70 else shown[:69] + '…'}  ({span.file}:{line})"
