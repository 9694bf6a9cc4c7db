"""The report of a run: `build` makes report.html, one self-contained file, from the files of a result folder."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from cospace.compiler.space.met import of_met
from cospace.runtime import report_page as html
from cospace.runtime.report_data import Result, number, read_result
from cospace.runtime.report_drawing import draw_accelerators, draw_network
from cospace.runtime.report_mapping import draw_mapping
from cospace.runtime.report_text import (
    NARROWER,
    budgets,
    compare,
    describe_gap,
    describe_ranking,
    describe_tests,
    figure,
    source_of,
)
from cospace.runtime.results import named_at
from cospace.runtime.store import write_bytes

MOST_ROWS = 60


def build(folder: Path) -> Path:
    """Write `report.html` into a result folder and return its path.

    Raises SpecError: CS812 for a folder that holds no result or a damaged one, CS80x for its space.json.
    """
    result = read_result(Path(folder))
    path = result.folder / "report.html"
    write_bytes(path, make_page(result).encode("utf-8"))
    return path


def make_page(result: Result) -> str:
    """The page as text."""
    from cospace.runtime.report_plots import plot_curves, plot_works

    space = result.space
    return html.page(
        f"{space.name}: report",
        [
            f"<h1>{escape(space.name)}</h1>",
            html.note(space.doc or ""),
            _state(result),
            _cards(result),
            html.section("How far from the optimum", _gap(result)),
            html.section("At each value of its switches", _switched(result)),
            html.section("The design", *_drawings(result), html.folded("every decision", _decisions(result))),
            _front(result),
            html.section("The search", plot_curves(result)),
            html.section("How shared weights ranked the networks", *_ranking(result)),
            html.section("Layer by layer", plot_works(result.works, space), _works(result)),
            html.section("The mapping of each layer", *_mapping(result)),
            html.section("Costs of the design", _costs(result)),
            html.section("Against the baseline", _baseline(result)),
            html.section("Against other ways to search", _methods(result)),
            html.section("What the modelled numbers rest on", _constants(result)),
            html.section("To reproduce it", _reproduce(result)),
        ],
    )


def _state(result: Result) -> str:
    run = result.run
    told = [f"seed {run['seed']}"] if "seed" in run else []
    seconds = number(run.get("seconds"))
    told += [f"{seconds:.0f} s"] if seconds is not None else []
    told += [f"{figure(v)} {k.replace('_', ' ')}" for k, v in run["budget"].items()]
    told += [f"on a {run['device'].upper()}"] if isinstance(run.get("device"), str) else []
    told += ["weights learned in mixed precision"] if run.get("mixed precision") is True else []
    stopped = run.get("finished") is False
    warning = '<p class="warn">The run was stopped before its end: this is what it had found.</p>' if stopped else ""
    for text in run["left out"]:
        warning += f'<p class="warn">Left out of the data: {escape(str(text))}.</p>'
    if result.space.met:
        said = of_met(result.space.met)
        warning += f'<p class="warn">{escape(said[0].upper() + said[1:])}: they may cost more than they have to.</p>'
    return warning + html.note(", ".join(told))


def _cards(result: Result) -> str:
    test = result.design["accuracy"]["test"]
    cards = []
    if test:
        seeds = f"mean of {len(test)} seeds" if len(test) > 1 else "one seed"
        cards.append(html.card(describe_tests(test), f"accuracy on the test split, {seeds}"))
    for text, o in result.objectives.items():
        if o["value"] is not None and o["modelled"]:
            cards.append(html.card(figure(o["value"], o["unit"]), text, modelled=True))
    cards += [html.card(share, f"used of the limit: {reason}", modelled=True) for share, reason in budgets(result)]
    cards += [html.card(ratio, f"{text}, against {name}", modelled=True) for ratio, text, name, _ in compare(result)]
    return f'<div class="cards">{"".join(cards)}</div>' if cards else ""


def _gap(result: Result) -> str:
    told = describe_gap(result)
    if not told:
        return ""
    gap = result.design["gap"]
    return html.note(told[0].upper() + told[1:] + ".") + html.note(f"By {gap['how']}." if gap["how"] else "")


def _front(result: Result) -> str:
    """The designs that none dominates: with their error where they were trained, else among the modelled objectives."""
    from cospace.runtime.report_plots import plot_pareto, sizes

    if not result.pareto:
        return ""
    front, tried = sizes(result.pareto)
    if "error_choice" in result.pareto[0]:
        title = "Error against cost"
        text = f"{tried} designs were trained and scored on the choice split; {front} of them are not dominated."
    elif tried > 1:
        title, text = "The front", f"{tried} designs; no feasible one that was met is better in every objective."
    else:
        return ""
    return html.section(title, html.note(text), plot_pareto(result), html.folded("the designs", _designs(result)))


def _ranking(result: Result) -> list[str]:
    from cospace.runtime.report_plots import plot_ranking

    told = describe_ranking(result.run["ranking"])
    if not told:
        return []
    said = "Kendall's tau-b is 1 where both put the networks in the same order, 0 where one says nothing of the other. "
    said += "Most errors are of one training, and its noise lowers it."
    text = f"{told[0].upper()}{told[1:]}; {NARROWER}."
    return [html.note(text), html.note(said), plot_ranking(result)]


def _drawings(result: Result) -> list[str]:
    if result.parsed is None:
        return [html.note("The design does not fit the space in this folder, so it is not drawn.")]
    drawn = [draw_network(plan, result.space, result.parsed) for plan in result.space.networks]
    return [*drawn, draw_accelerators(result.space, result.parsed)]


def _decisions(result: Result) -> str:
    known = {d.path: d for d in result.space.decisions}
    rows = [
        [path, figure(value), (known[path].doc or "") if path in known else ""]
        for path, value in result.design["design"].items()
    ]
    return html.table(["decision", "value", ""], rows)


def _designs(result: Result) -> str:
    rows = sorted(result.pareto, key=lambda r: (str(r.get("dominated")) not in ("0", "False"), _error(r)))
    heads = list(rows[0])
    texts = [[figure(row.get(h) if number(row.get(h)) is None else number(row[h])) for h in heads] for row in rows]
    more = html.note(f"and {len(rows) - MOST_ROWS} more in pareto.csv") if len(rows) > MOST_ROWS else ""
    return html.table(heads, texts[:MOST_ROWS], numbers=[0, 1]) + more


def _error(row: Mapping[str, Any]) -> float:
    found = number(row.get("error_choice"))
    return 1.0 if found is None else found


def _works(result: Result) -> str:
    if not result.works:
        return ""
    every = list(dict.fromkeys(name for w in result.works for name in w.figures))
    first = [name for name in ("cycles", "energy") if name in every]
    rest = [name for name in every if name not in first]
    return (
        html.MODELLED
        + _work_table(result, first, maps=True)
        + (html.folded("the other quantities of the rules", _work_table(result, rest, maps=False)) if rest else "")
    )


def _work_table(result: Result, names: list[str], maps: bool) -> str:
    rows = []
    for w in result.works:
        mapping = ", ".join(f"{path.rpartition('.')[2]} = {figure(v)}" for path, v in w.maps.items())
        times = f"{figure(w.times)} times" if w.times != 1 else ""
        cells = [figure(w.figures[n].value, w.figures[n].unit) if n in w.figures else "" for n in names]
        rows.append([w.path, w.rule, ", ".join(t for t in (times, mapping) if t), *cells] if maps else [w.path, *cells])
    heads = ["work", "served by", "mapping", *names] if maps else ["work", *names]
    return html.table(heads, rows, numbers=range(len(heads) - len(names), len(heads)))


def _mapping(result: Result) -> list[str]:
    if result.mapping is None:
        return []
    spec = f"cospace cost SPEC --mapping {shlex.quote(str(result.folder / 'mapping.json'))}"
    said = "Layers that are alike are drawn once; the bars are of all of them. mapping.json holds every figure; "
    return [html.MODELLED, html.note(f"{said}`{spec}` costs it again, changed or not."), draw_mapping(result.mapping)]


def _switched(result: Result) -> str:
    """What one network does at each value that its user may bind."""
    rows, names = [], []
    for one in result.design["switched"]:
        found = {plain: result.quantities[name] for plain, name in named_at(result.quantities, one["at"]).items()}
        names = names or list(found)
        figures = [figure(found[n].value, found[n].unit) if n in found else "" for n in names]
        rows.append([*one["at"].values(), describe_tests(one["test"]) if one["test"] else "", *figures])
    if not rows:
        return ""
    heads = [*result.design["switched"][0]["at"], "accuracy on the test split", *(f"{n} (modelled)" for n in names)]
    return html.table(heads, rows, numbers=range(len(heads) - len(names) - 1, len(heads)))


def _costs(result: Result) -> str:
    rows = [[name, figure(f.value, f.unit)] for name, f in result.quantities.items()]
    return html.MODELLED + html.table(["quantity", "value"], rows, numbers=[1]) if rows else ""


def _baseline(result: Result) -> str:
    baseline = result.design["baseline"]
    if baseline is None:
        return ""
    rows = [[text, figure(*mine), figure(*theirs), ratio] for ratio, text, _, (mine, theirs) in compare(result)]
    tests = (result.design["accuracy"]["test"], baseline["test"])
    if all(tests):
        rows.append(["accuracy on the test split (measured)", *(describe_tests(t) for t in tests), ""])
    if not rows:
        return ""
    about = next((r.doc for r in result.space.references if r.name == baseline["name"]), None)
    name = baseline["name"]
    return (
        html.note(about or "")
        + html.MODELLED
        + html.table(["objective", "this design", name, ""], rows, numbers=[1, 2, 3])
        + html.folded(
            "the baseline's decisions",
            html.table(["decision", "value"], [[str(p), figure(v)] for p, v in baseline["design"].items()]),
        )
    )


def _methods(result: Result) -> str:
    """The baselines that were asked for: designs trained, least error, hypervolume on the choice split."""
    methods = result.baselines.get("methods")
    rows = []
    for name, found in (methods if isinstance(methods, dict) else {}).items():
        listed = found.get("candidates") if isinstance(found, dict) else None
        errors = [e for c in listed or () if isinstance(c, dict) and (e := number(c.get("error"))) is not None]
        if errors:
            volume = number(found.get("hypervolume"))
            rows.append([str(name), figure(len(errors)), f"{100 * min(errors):.2f} %", figure(volume)])
    if not rows:
        return ""
    budget = number(result.baselines.get("budget"))
    passes = "" if budget is None else f" {figure(budget)} passes over the data each;"
    text = f"Every method with the same budget:{passes} all end with the same exact accelerator for their networks."
    return html.note(text) + html.table(
        ["method", "designs trained", "least error", "hypervolume"], rows, numbers=(1, 2, 3)
    )


def _constants(result: Result) -> str:
    rows = [[c.path, c.text, source_of(result.space, c.span)] for c in result.space.constants]
    if not rows:
        return ""
    text = "Numbers marked as modelled are computed from these constants by the spec's formulas; nothing was measured."
    return html.note(text) + html.table(["constant", "value", "from"], rows)


def _reproduce(result: Result) -> str:
    folder, run = result.folder, result.run
    settings = run["settings"]
    seed = f" --seed {run['seed']}" if isinstance(run.get("seed"), int) else ""
    seed += f" --data {shlex.quote(str(settings['data']))}" if settings.get("data") else ""
    seed += " --strict" if settings.get("strict") is True else ""
    narrow = settings.get("bfloat16")
    seed += " --bfloat16" if narrow is True else " --float32" if narrow is False else ""
    commands = [
        f"cospace search {shlex.quote(str(folder / 'space.json'))}{seed} --out {shlex.quote(str(folder) + '-again')}",
        f"cospace report {shlex.quote(str(folder))}",
    ]
    rows = [["param " + p.name, source_of(result.space, p.span), "set by the user" if p.given else "default"]
            for p in result.space.params]  # fmt: skip
    rows += [[str(k), str(v), "setting"] for k, v in settings.items() if v and not isinstance(v, dict)]
    rows += [[str(k), str(v), "version"] for k, v in run["versions"].items()]
    return (
        f"<pre>{escape(chr(10).join(commands))}</pre>"
        + html.note(
            "One spec and one seed give one result on one machine's CPU with one number of threads. On a GPU sparse "
            "products are summed in an order of the moment, so last digits may differ from run to run."
        )
        + html.table(["what", "value", ""], rows)
    )
