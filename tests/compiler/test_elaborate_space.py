"""Networks and decisions as elaborated: paths, copies, guards, shapes, policies, imports, settings, baselines."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from cospace.compiler.driver import compile_file
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space.graph import Symbol
from cospace.compiler.space.model import Choice

from tests.compiler import spaces

space_of, told, holds, value = spaces.space_of, spaces.told, spaces.holds, spaces.value
IMPORTS, NETWORK = spaces.IMPORTS, spaces.NETWORK

TWO_LAYERS = f"""
space t
{IMPORTS}
{NETWORK} {{
    hidden = choose {{16, 32}}
    for layer in 1..2 {{
        x = choose conv {{
            gcn  = gcn(x, adj, out = hidden)
            gat  = gat(x, adj, out = hidden, heads = choose {{1, 2, 4}})
            skip = skip(x) when layer > 1
        }}
        x = choose act {{ relu = relu(x), elu = elu(x) }}
    }}
    linear(x, out = nodes.classes)
}}
precision of net {{ weights = choose {{4, 8}} bit per layer; activations = choose {{4, 8}} bit }}
"""


def test_paths_go_through_owner_label_index_and_alternative() -> None:
    paths = [d.path for d in space_of(TWO_LAYERS).decisions]
    assert paths == [
        "net.hidden",
        "net.conv[1]",
        "net.conv[1].gat.heads",
        "net.act[1]",
        "net.conv[2]",
        "net.conv[2].gat.heads",
        "net.act[2]",
        "precision.weights[net.conv[1].gcn]",
        "precision.weights[net.conv[1].gat]",
        "precision.weights[net.conv[2].gcn]",
        "precision.weights[net.conv[2].gat]",
        "precision.weights[net.linear]",
        "precision.activations",
    ]


def test_copies_per_layer_live_where_their_layer_does() -> None:
    space = space_of(TWO_LAYERS)
    chosen = {"net.hidden": Fraction(16), "net.conv[1]": Symbol("gat"), "net.conv[2]": Symbol("skip")}
    chosen |= {"net.act[1]": Symbol("relu"), "net.act[2]": Symbol("relu")}
    live = {d.path for d in space.decisions if evaluate(d.guard, chosen) is True}
    assert "net.conv[1].gat.heads" in live and "net.conv[2].gat.heads" not in live
    assert {p for p in live if "weights" in p} == {
        "precision.weights[net.conv[1].gat]",
        "precision.weights[net.linear]",
    }


def test_an_alternative_ruled_out_by_a_constant_is_no_value() -> None:
    space = space_of(TWO_LAYERS)
    assert [str(v) for v in space.decision("net.conv[1]").values] == ["gcn", "gat"]
    assert [str(v) for v in space.decision("net.conv[2]").values] == ["gcn", "gat", "skip"]


def test_an_alternative_ruled_out_by_a_decision_keeps_a_condition() -> None:
    text = f"""
space t
{IMPORTS}
{NETWORK} {{
    deep = choose {{true, false}}
    x = gcn(x, adj, out = 16)
    x = choose second {{ gcn = gcn(x, adj, out = 16) when deep, skip = skip(x) }}
    linear(x, out = nodes.classes)
}}
"""
    allowed = space_of(text).decision("net.second").allowed
    assert allowed is not None
    assert [evaluate(a, {"net.deep": False}) for a in allowed] == [False, True]
    assert [evaluate(a, {"net.deep": True}) for a in allowed] == [True, True]


def test_each_call_and_each_name_makes_its_own_decision() -> None:
    text = "space t\ndef width() = choose w {1, 2}\na, b = choose {1, 2}\ne = [choose list {1, 2} for i in 1..1]\n"
    assert [d.path for d in space_of(text).decisions] == ["a", "b", "list[1]"]


def test_a_value_that_is_chosen_can_be_read_by_its_path() -> None:
    text = TWO_LAYERS + "require net.conv[1].gat.heads <= 2 when net.conv[1] == gat\nrequire net.hidden >= 32\n"
    space = space_of(text)
    chosen = {"net.hidden": Fraction(16), "net.conv[1]": Symbol("gat"), "net.conv[1].gat.heads": Fraction(4)}
    assert holds(space, chosen) is False
    assert holds(space, chosen | {"net.conv[1].gat.heads": Fraction(2)}) is True
    assert holds(space, chosen, 1) is False


def test_a_copy_is_read_by_the_path_of_its_layer() -> None:
    text = TWO_LAYERS + "require precision.weights[net.linear] == 8 bit\n"
    assert holds(space_of(text), {"precision.weights[net.linear]": Fraction(8)}) is True
    guarded = TWO_LAYERS + "require precision.weights[net.conv[1].gat] == 8 bit"
    assert told(guarded + "\n") == ["CS209 precision.weights[net.conv[1].gat]"]
    assert told(guarded + " when net.conv[1] == gat\n") == []
    assert told(TWO_LAYERS + "require precision.weights[net.lineer] == 8 bit\n")[0].startswith("CS211")


def test_what_may_not_exist_is_read_only_behind_a_guard_that_implies_it() -> None:
    read = "require net.conv[1].gat.heads <= 2"
    assert told(f"{TWO_LAYERS}{read}\n") == ["CS209 heads"]
    assert told(f"{TWO_LAYERS}{read} when net.conv[2] == gat\n") == ["CS209 heads"]
    assert told(f"{TWO_LAYERS}{read} when net.conv[1] == gat and net.hidden > 16\n") == []
    assert told(f"{TWO_LAYERS}{read} when net.conv[1] != gcn\n") == []
    assert told(f"{TWO_LAYERS}require net.conv[1] == gat and net.conv[1].gat.heads <= 2\n") == []
    assert told(f"{TWO_LAYERS}require (if net.conv[1] == gat then net.conv[1].gat.heads else 0) <= 2\n") == []


def test_a_longer_path_wins_over_a_shorter_one() -> None:
    text = TWO_LAYERS + "precision readout of net.linear { both = 6 bit }\n"
    space = space_of(text)
    calls = {n.path: dict(n.facts) for n in space.networks[0].nodes if hasattr(n, "facts")}
    assert evaluate(calls["net.linear"]["wbits"], {}) == 6
    assert evaluate(calls["net.conv[1].gcn"]["wbits"], {"precision.weights[net.conv[1].gcn]": Fraction(4)}) == 4


# ---- shapes


def test_shapes_follow_the_choice() -> None:
    text = f"""
space t
{IMPORTS}
{NETWORK} {{
    x = choose size {{ narrow = linear(x, out = 16), wide = linear(x, out = 64) }}
    linear(x, out = nodes.classes)
}}
"""
    space = space_of(text)
    choice = next(n for n in space.networks[0].nodes if isinstance(n, Choice))
    assert [evaluate(choice.shape[1], {"net.size": Symbol(s)}) for s in ("narrow", "wide")] == [16, 64]
    readout = next(w for w in space.works if w.call == "net.linear") if space.works else None
    assert readout is None  # without an accelerator nothing is asked of anyone


ADD = """
def add(a: tensor[v, f], b: tensor[v, f]) -> tensor[v, f] from "graph.add"
"""


@pytest.mark.parametrize(
    "left, right, outcome",
    [("16", "16", "nothing"), ("16", "32", "CS401"), ("choose {16, 32}", "choose {16, 64}", "requirement")],
)
def test_sizes_that_must_agree_are_proved_refuted_or_required(left: str, right: str, outcome: str) -> None:
    text = f"""
space t
{IMPORTS}{ADD}
{NETWORK} {{
    a = {left}
    b = {right}
    linear(add(linear(x, out = a), linear(x, out = b)), out = nodes.classes)
}}
"""
    if outcome == "CS401":
        assert [c.split()[0] for c in told(text)] == ["CS401"]
        return
    shaped = [r for r in space_of(text).requirements if r.origin == "shape"]
    assert len(shaped) == (1 if outcome == "requirement" else 0)
    for r in shaped:
        assert evaluate(r.value, {"net.a": Fraction(16), "net.b": Fraction(16)}) is True
        assert evaluate(r.value, {"net.a": Fraction(32), "net.b": Fraction(64)}) is False


def test_an_operators_own_requirement_holds_where_it_is_taken() -> None:
    text = f"""
space t
{IMPORTS}
{NETWORK} {{
    x = choose conv {{ gcn = gcn(x, adj, out = 12), gat = gat(x, adj, out = 12, heads = choose {{4, 8}}) }}
    linear(x, out = nodes.classes)
}}
"""
    even = next(r for r in space_of(text).requirements if "heads share" in r.reason)
    chosen = {"net.conv": Symbol("gat"), "net.conv.gat.heads": Fraction(8)}
    assert evaluate(even.guard, chosen) is True and evaluate(even.value, chosen) is False
    assert evaluate(even.value, chosen | {"net.conv.gat.heads": Fraction(4)}) is True
    assert evaluate(even.guard, {"net.conv": Symbol("gcn")}) is False


# ---- params and imports


def test_set_reaches_params_of_the_spec_and_of_its_imports() -> None:
    head = "space t\nimport std.energy as tech\n"
    text = head + 'param budget = 1 mm2\nparam mode = "fast"\nrequire tech.dram < 3 pJ / bit\n'
    space = space_of(text, {"budget": "0.5 mm2", "mode": "slow", "tech.dram": "8 pJ / byte"})
    assert {p.name: (p.value.value, p.given) for p in space.params} == {
        "budget": (Fraction(1, 2_000_000), True),
        "mode": ("slow", True),
    }
    assert holds(space, {}) is True
    assert holds(space_of(text), {}) is False


@pytest.mark.parametrize(
    ("bound", "setting", "shown"),
    [
        ("sram_density = 0.25 um2 / bit", {}, "0.25 um2/bit"),
        ("sram_density = 250_000 nm * nm / bit", {}, "250,000 nm nm/bit"),
        ("sram_density = 2 * tiny", {}, "0.25 um2/bit"),  # written in no unit: in that of the default
        ("", {"tech.sram_density": "0.25um2/bit"}, "0.25 um2/bit"),
        ("", {"tech.sram_density": "0.25e-6 mm2 / bit"}, "2.5e-07 mm2/bit"),
        ("sram_density = 0.25 um2 / bit", {"tech.sram_density": "2 um2 / byte"}, "2 um2/byte"),
    ],
)
def test_a_constant_that_was_given_is_shown_in_the_unit_it_was_written_in(
    bound: str, setting: dict[str, str], shown: str
) -> None:
    text = f"space t\nimport std.energy({bound}) as tech\ntiny = 0.125 um2 / bit\n"
    text += "a = choose {1, 2}\nrequire a * tech.sram_density > 0 um2 / bit\n"
    texts = {c.path: c.text for c in space_of(text.replace("()", ""), setting).constants}
    assert texts["std.energy.sram_density"] == shown


@pytest.mark.parametrize(
    "name, given, code",
    [
        ("budgets", "1 mm2", "CS232"),
        ("tech.drum", "1 pJ / byte", "CS232"),
        ("teck.dram", "1 pJ / byte", "CS232"),
        ("budget", "1 mm", "CS307"),
        ("budget", "1", "CS307"),
        ("budget", "1 +", "CS232"),
        ("budget", "unheard_of", "CS201"),
        ("budget", "1 mm2; param x = 2", "CS232"),
        ("tech.dram", "20 pJ", "CS307"),
    ],
)
def test_a_bad_setting_is_told(name: str, given: str, code: str) -> None:
    text = "space t\nimport std.energy as tech\nparam budget = 1 mm2\n"
    assert [c.split()[0] for c in told(text, {name: given})] == [code]


def test_arguments_of_an_import_are_seen_by_all_that_import_it(tmp_path: Path) -> None:
    (tmp_path / "own.cospace").write_text("import std.energy\ndef cost() = energy.dram * 1 byte\n")
    spec = tmp_path / "t.cospace"
    spec.write_text("space t\nimport own\nimport std.energy(dram = 7 pJ / byte)\nrequire own.cost() == 7 pJ\n")
    compiled = compile_file(spec)
    assert compiled.space is not None, compiled.diagnostics
    assert holds(compiled.space, {}) is True


def test_names_of_imports_qualified_bare_and_ambiguous(tmp_path: Path) -> None:
    (tmp_path / "left.cospace").write_text("def same() = 1\ndef only() = 3\n")
    (tmp_path / "right.cospace").write_text("def same() = 2\n")
    spec = tmp_path / "t.cospace"
    spec.write_text("space t\nimport left\nimport right as r\nrequire left.same() + r.same() + only() == 6\n")
    compiled = compile_file(spec)
    assert compiled.space is not None, compiled.diagnostics
    assert holds(compiled.space, {}) is True
    spec.write_text("space t\nimport left\nimport right as r\nrequire same() == 2\n")
    assert [d.code for d in compile_file(spec).diagnostics] == ["CS202"]


# ---- baselines


def test_a_baseline_means_all_copies_of_a_path_and_keeps_live_ones() -> None:
    text = (
        TWO_LAYERS
        + """
baseline plain {
    net.hidden = 16
    net.conv[1] = gcn; net.conv[2] = skip; net.act = relu
    precision.weights = 8 bit; precision.activations = 4 bit
}
"""
    )
    design = dict(space_of(text).references[0].design)
    assert list(design) == [
        "net.hidden", "net.conv[1]", "net.act[1]", "net.conv[2]", "net.act[2]",
        "precision.weights[net.conv[1].gcn]", "precision.weights[net.linear]", "precision.activations",
    ]  # fmt: skip
    assert design["precision.weights[net.linear]"] == 8


def test_an_unfinished_baseline_is_told() -> None:
    assert [c.split()[0] for c in told(TWO_LAYERS + "baseline plain { net.hidden = 16 }\n")] == ["CS231"]
    assert [c.split()[0] for c in told(TWO_LAYERS + "baseline plain { net.hiden = 16 }\n")] == ["CS228"]
