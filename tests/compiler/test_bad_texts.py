"""What a mistake in a text gets: one code each, and never a space that pretends nothing is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from cospace.compiler.checks.check import check
from cospace.compiler.counting.count import count
from cospace.compiler.driver import compile_file, compile_text
from cospace.compiler.elaborate import evaluate

from tests.compiler import spaces

TABLE = "a = choose {1, 2}\ntable t(k: real) from [[1, %s]] { v: real }\nrequire t(a).v <= 9"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a = choose {1, 2} KiB\nrequire a <= 3 pJ", "CS302"),
        ("a = choose {true, false}\nb = choose {1, 2} when a\nrequire b <= 1", "CS209"),
        ("import std.energy as x\nimport std.tasks as x\na = choose {1, 2}\nrequire a <= 1", "CS210"),
        (TABLE % "3", "CS222"),
        (TABLE % '"x"', "CS302"),
    ],
    ids=["units that don't match", "not alive", "one name for two", "a key that is missing", "a text for a number"],
)
def test_a_mistake_has_a_code(text: str, code: str) -> None:
    assert code in [line.split()[0] for line in spaces.told(f"space s\n{text}\n")]


def test_a_tensor_is_not_taken_by_a_decision_without_a_name_for_each_branch() -> None:
    text = f"""space s
{spaces.IMPORTS}
{spaces.NETWORK} {{
    wide = choose {{true, false}}
    x = if wide then relu(x) else elu(x)
    linear(x, out = nodes.classes)
}}
"""
    compiled = compile_text(text)
    assert compiled.space is None
    (told,) = compiled.diagnostics
    assert told.code == "CS301" and text[told.span.start : told.span.end] == "wide"
    assert "not by `net.wide`" in told.message and "choose name" in str(told.help)


def test_a_newer_language_is_refused() -> None:
    assert spaces.told("language 2\nspace s\na = choose {1, 2}\n")[0].startswith("CS208")


def test_an_empty_domain_leaves_no_design_there_and_says_so() -> None:
    space = spaces.space_of("space s\na = choose {0, 2}\nb = choose 1..a step 1\n")
    assert count(space).feasible == 2
    assert [d.code for d in check(space).diagnostics] == ["CS603", "CS606"]


def test_all_of_nothing_holds() -> None:
    assert (
        count(spaces.space_of("space s\na = choose {0, 2}\nrequire all(e > 5 for e in [a] when e > 9)\n")).feasible == 2
    )


def test_an_index_past_a_list_is_told_as_such_where_it_stands() -> None:
    text = "space s\na = choose {1, 5}\nl = [1, 2, 3]\nminimize l[a]\nminimize 1 / (6 - a)\n"
    (told,) = check(spaces.space_of(text)).diagnostics
    assert told.code == "CS602" and "past the end of a list" in told.message and "a = 5" in told.message
    assert text[told.span.start : told.span.end] == "l[a]"
    (told,) = check(spaces.space_of("space s\na = choose {1, 5}\nminimize 1 / (5 - a)\n")).diagnostics
    assert "divides by zero" in told.message


def test_a_design_without_a_value_is_told_whole_what_matters_first() -> None:
    text = "space s\na = choose {1, 2}\nb = choose {0, 1, 2}\nc = choose {x, y}\nrequire a >= 2\n"
    told, _ = check(spaces.space_of(f"{text}minimize a / b\nminimize (if c == x then 1 else 2)\n")).diagnostics
    assert told.message.endswith("at a design that nothing excludes: b = 0")
    assert str(told.help).splitlines()[1] in [f"the rest of that design: a = 2, c = {c}" for c in "xy"]
    many = "x = [choose {0, 1} for i in 1..30]\nminimize 1 / x[1]\nminimize sum(x)\n"
    (told,) = check(spaces.space_of(f"space s\n{many}")).diagnostics
    assert told.message.endswith(": x[1] = 0") and str(told.help).endswith("and 17 more")


def test_a_misspelt_binding_before_a_set_is_named() -> None:
    (told,) = compile_text("space s\nrows = choos {1, 2}\n").diagnostics
    assert told.code == "CS101" and "`choose`" in str(told.help)


def test_what_needs_parameters_is_made_before_it_is_read() -> None:
    text = "space s\naccelerator chip(rows = choose {1, 2}) { area = 1 mm2 * rows }\nminimize chip.area\n"
    (told,) = compile_text(text).diagnostics
    assert told.code == "CS211" and "`mine = chip()`" in str(told.help)


def test_loops_nested_too_deep_are_not_run() -> None:
    text = "space s\na = choose {1, 2}\n" + "for i in 1..2 { " * 50_000 + "}" * 50_000 + "\n"
    assert {d.code for d in compile_text(text).diagnostics} == {"CS108"}


def test_passes_without_a_body_are_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "MAX_STEPS", 20_000)
    text = "space s\na = choose {1, 2}\n" + "".join(f"for i{n} in 1..2 {{ " for n in range(40)) + "}" * 40 + "\n"
    (told,) = [d for d in compile_text(text).diagnostics if d.severity == "error"]
    assert told.code == "CS404" and "evaluations" in told.message


def test_the_language_is_said_first() -> None:
    assert spaces.told("space s\nlanguage 1\na = choose {1, 2}\n") == ["CS226 language 1"]


def test_params_of_an_import_are_listed_where_one_is_not_there() -> None:
    text = "space s\nimport std.energy({}) as tech\na = choose {{1, 2}}\nrequire a * tech.dram <= 1 nJ / byte\n"
    (told,) = [d for d in compile_text(text.format("power = 3")).diagnostics if d.severity == "error"]
    assert told.code == "CS232" and "`dram`" in str(told.help)
    (told,) = [d for d in compile_text(text.format("3")).diagnostics if d.severity == "error"]
    assert told.code == "CS232" and "by name" in told.message


def test_a_row_of_a_table_is_chosen_by_its_key() -> None:
    text = 'space s\ntable t(k: text) from [["a", 1], ["b", 2]] { v: int }\nx = choose { p = t("a"), q = t("b") }\n'
    (told,) = compile_text(text).diagnostics
    assert told.code == "CS301" and "a row of a table" in told.message and "choose {…}" in str(told.help)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("import nothing_such as box\na = choose {1, 2}\nrequire box.area(a) <= area(a)", ["CS006"]),
        ("import nothing_such\narea = choose {1, 2}\nb = chosen_of(area)\nrequire arae <= 3", ["CS006", "CS201"]),
        (f"{spaces.IMPORTS}{spaces.NETWORK} {{ linear(x, out = 3) }}\n".replace("std.graph", "std.grapf"), ["CS006"]),
        ("a = [choose {1, 2} for i in 1..3]\nfor i in 1..5 { require a[i] <= i }", ["CS213"]),
        ("a = choose {1, 2}\nfor i in 1..3:\n    require a <= i\n}\nrequire a >= 1", ["CS101"]),
    ],
    ids=["an import's names", "but a near name", "a network of it", "one place", "a block by a colon"],
)
def test_what_a_mistake_brings_about_is_not_told_again(text: str, codes: list[str]) -> None:
    assert [line.split()[0] for line in spaces.told(f"space s\n{text}\n")] == codes


@pytest.mark.parametrize(
    ("text", "code", "help"),
    [
        ("l = choose {o0, o1}\nrequire 1 < 2 when l == o0 or o1", "CS201", "write `l == o1`"),
        ("l = [1, 2]\nparam a = l[0]", "CS213", "the first item is 1"),
        ("a = choose k { x = (choose n {1, 2}), y = 3 }\nrequire k.x.n <= 1", "CS209", "`… when k == x`"),
        ("a = choose k { x = (choose n {1, 2}), y = 3 }\nrequire a.x.n <= 1 when k == x", "CS211", "read `k.x`"),
        ("a = choose { x = (choose n {1, 2}), y = 3 }\nrequire a.x.n <= 1", "CS211", "`a = choose kind { … }`"),
        (
            "accelerator one() { n = 1 }\naccelerator two() { n = 2; banks = choose {1, 2} }\n"
            "size = choose { s = one(), l = two() }\nrequire size.banks <= 1 when size == l",
            "CS211",
            "read `size.l.banks` behind `when size == l`",
        ),
        ("a = choose {x(cost = 1, size = 2), y(cost = 2, size = 1)}\nminimize 2 * a", "CS301", "`a.cost`, `a.size`"),
        ("s = choose subsets({pgo, lto})\nrequire pog in s", "CS206", "`pgo`"),
        ("s = choose subsets({pgo, lto})\nrequire s.pgo", "CS211", "`pgo in …`"),
        ("s = choose orders(a, b)\nrequire s[1] == a", "CS214", "`orders({a, b})`"),
        ("p = choose {-3, 3} dBm\nrequire p <= 2 mW", "CS302", "`watts(…)`"),
        ("l = [choose {1, 2} for i in 1..3]\nrequire l <= 2", "CS301", "or take one item, `…[1]`"),
        ("l = choose orders({a, b})\nrequire l[0] == a", "CS213", "the first item is 1"),
        ("table t(k: int) from [[1, 3]] { v: real }\na = t[1].v", "CS212", "in parentheses"),
        ("table t(k: {small, big}) from [[smal, 1], [big, 2]] { v: int }\na = t(big).v", "CS206", "`small`"),
    ],
)
def test_the_way_out_is_named(text: str, code: str, help: str) -> None:
    assert [(d.code, help in str(d.help)) for d in compile_text(f"space s\n{text}\n").diagnostics][:1] == [(code, True)]


ENGINE = """accelerator chip {
    part lane[bits in {4%s} bit] { on matmul(m, k, n, wbits) when wbits %s bits { cycles = m * k * n } }
}
precision of net { both = choose {4, 8} bit per layer }
baseline b { precision.both = 8 bit }
"""


def test_a_rule_that_could_not_be_read_is_not_missed_and_one_that_does_not_hold_is_told_where() -> None:
    net = f"space s\n{spaces.IMPORTS}{spaces.NETWORK} {{ linear(x, out = nodes.classes) }}\n"
    assert spaces.told(net + ENGINE % (", 8", "=")) == ["CS112 ="]
    (told,) = compile_text(net + ENGINE % ("", "==")).diagnostics
    assert told.code == "CS503" and told.message.endswith(": for instance precision.both[net.linear] = 8 bit")
    plain = (net + ENGINE % (", 8", "==")).replace("{4, 8} bit per", "{4, 8} per")
    assert [line.split()[0] for line in spaces.told(plain)] == [
        "CS302"
    ]  # not that precisions are assumed, or 8 is none
    wrong = net.replace("out = nodes", "outt = nodes")
    assert [line.split()[0] for line in spaces.told(wrong + ENGINE % (", 8", "=="))] == ["CS214"]


def test_what_a_library_asks_for_is_told_to_ask_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "kit.cospace").write_text(
        'param top = 3\nrequire top <= 2 "few"\nfor i in 1..2 { y = i }\nminimize top\n'
    )
    (tmp_path / "whole.cospace").write_text("space whole\na = choose {1, 2}\nrequire a <= 1\n")
    (tmp_path / "use.cospace").write_text("space use\nimport kit\nimport whole\nb = choose {1, 2}\nrequire b <= top\n")
    found = compile_file(tmp_path / "use.cospace")
    assert found.space is not None and [d.code for d in found.diagnostics] == ["CS226"] * 3
    assert {d.severity for d in found.diagnostics} == {"warning"}
