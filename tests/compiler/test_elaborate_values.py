"""Values of expressions as elaborated: units, symbols, ranges, tables, defs, folds; against exact evaluation."""

from __future__ import annotations

from fractions import Fraction

import pytest
from cospace.compiler.driver import compile_text
from cospace.compiler.exact.exact import UNDEFINED, evaluate
from cospace.compiler.space.graph import FALSE, Symbol

from tests.compiler import spaces

space_of, told, holds, value = spaces.space_of, spaces.told, spaces.holds, spaces.value
IMPORTS, NETWORK = spaces.IMPORTS, spaces.NETWORK


def true(condition: str, before: str = "") -> bool:
    """Whether a constant condition holds."""
    space = space_of(f"space t\n{before}\nrequire {condition}\n")
    return holds(space, {}) is True


@pytest.mark.parametrize(
    "condition",
    [
        "64 KiB == 65_536 byte",
        "1 byte == 8 bit",
        "500 MHz * 2 ns == 1",
        "3 pJ / 1 ns == 3 mW",
        "1 mm2 == 1_000_000 um2",
        "1 mm * 1 mm == 1 mm2",
        "5 % == 1 / 20",
        "0.1 + 0.2 == 0.3",
        "1e-3 == 1 / 1_000",
        "8/255 * 255 == 8",
        "7 / 2 == 3.5",
        "floor(7 / 2) == 3 and ceil(7 / 2) == 4",
        "mod(0 - 7, 3) == 2",
        "-2 ^ 2 == -4",
        "2 ^ 3 ^ 2 == 512",
        "2 ^ (3 bit / 1 bit) == 8",
        "sqrt(16) == 4",
        "log2(1_024) == 10",
        "log2(3) > 1.584 and log2(3) < 1.585",
        "abs(0 - 3) == 3",
        "1 <= 2 < 3",
        "not (1 < 2 > 3)",
        "min(3, 1, 2) == 1 and max(3 pJ, 4 pJ) == 4 pJ",
        "sum(i * i for i in 1..4) == 30",
        "sum(i for i in 1..10 when mod(i, 2) == 0) == 30",
        "product(i for i in 1..5) == 120",
        "mean(i for i in {1, 2, 6}) == 3",
        "count(i for i in 1..10 when i > 7) == 3",
        "all(i > 0 for i in 1..3) and any(i == 2 for i in 1..3)",
        "sum(i for i in 1..3 when i > 5) == 0",
        "max(i for i in 1..3 when i > 5, empty = 7) == 7",
        "[10, 20, 30][2] == 20",
        "sum([i * 2 for i in 1..3]) == 12",
        "sum([1, 2] + [3]) == 6",
        "(3) in {1, 3}",
        "(6) in 4..8 step 2 and not ((5) in 4..8 step 2)",
        "(if 1 < 2 then 3 bit else 4 bit) == 3 bit",
        "pi > 3.14159 and pi < 3.1416",
        "count(d for d in divisors(12)) == 6",
        "count(d for d in powers(2, 64)) == 7",
        "-25 dBm + 3 dB == -22 dBm and 3 dB + -25 dBm == -22 dBm and -25 dBm - 3 dB == -28 dBm",
        "-20 dBm - -25 dBm == 5 dB and 2 * 3 dB == 6 dB",
        "watts(0 dBm) == 1 mW and watts(20 dBm) == 100 mW and factor(10 dB) == 10 and decibel(100) == 20 dB",
        "watts(3 dBm) > 1.99526 mW and watts(3 dBm) < 1.99527 mW",
        "50 % * 4 == 2 and max(5 %, 1/10) == 10 %",
        "count(w for w in 4 bit..1 byte step 1 bit) == 5 and count(w for w in {4, 8..16 step 4} bit) == 4",
        "3 widgets + 1 box == 15 widgets",
    ],
)
def test_constants(condition: str) -> None:
    assert true(condition, "unit widgets\nunit box = 12 widgets")


@pytest.mark.parametrize(
    "text, code",
    [
        ("require 3 pJ + 2 ns > 1 pJ", "CS302 3 pJ + 2 ns"),
        ("require 3 pJ < 2", "CS302 3 pJ < 2"),
        ("require 2 ^ 3 bit > 1", "CS302 3 bit"),
        ("require -25 dBm + -20 dBm < 0 dBm", "CS302 -25 dBm + -20 dBm"),
        ("require 3 dB - -20 dBm < 0 dB", "CS302 3 dB - -20 dBm"),
        ("require 3 dB < 0 dBm", "CS302 3 dB < 0 dBm"),
        ("a = choose 4 bit..16 byte", "CS302 4 bit..16 byte"),
        ("require log2(3 bit) > 1", "CS302 3 bit"),
        ("require 1 / 0 > 1", "CS303 1 / 0"),
        ("require mod(3, 0) > 1", "CS303 mod(3, 0)"),
        ("require 3", "CS301 3"),
        ("require true + 1 > 1", "CS301 true"),
        ('require "a" < "b"', 'CS301 "a"'),
        ("require true == 1", "CS301 true == 1"),
        ("a = 4 furlongs", "CS203 furlongs"),
        ("a = {1, 2} furlongs", "CS203 furlongs"),
        ("require (5) in 3", "CS301 3"),
        ("a = if 1 then 2 else 3", "CS301 1"),
        ("b = choose {true, false}\nrequire (if b then 2 else 3 bit) > 1", "CS302 2 else 3 bit"),
    ],
)
def test_refusals(text: str, code: str) -> None:
    assert told(f"space t\n{text}\n") == [code]


def test_a_name_after_a_number_is_a_unit_and_elsewhere_the_nearest_name() -> None:
    assert true("3 * m == 12 and 2 m2 == 2 * square", "m = 4\nsquare = 9\nunit m2 = 9")


def test_a_range_takes_its_units_from_its_end() -> None:
    space = space_of("space t\nbits = choose 4..16 bit step 4 bit\nmixed = choose {4 bit, 2 byte}\n")
    assert [int(v) for v in space.decision("bits").values] == [4, 8, 12, 16]
    assert [int(v) for v in space.decision("mixed").values] == [4, 16]
    assert told("space t\nlow = 4 bit\nbits = choose low..16 bit\n") == ["CS302 low..16 bit"]


def test_symbols_are_looked_up_beside_what_they_are_compared_with() -> None:
    text = """
space t
fast = 3
mode = choose {fast = 1, slow = 2}
kind = choose {dense, sparse}
require mode == 1
require kind == dense
require kind in {dense}
require kind != sparse
"""
    space = space_of(text)
    chosen = {"mode": Symbol("fast"), "kind": Symbol("dense")}
    assert [holds(space, chosen, i) for i in range(4)] == [True] * 4
    assert [holds(space, {"mode": Symbol("slow"), "kind": Symbol("sparse")}, i) for i in range(4)] == [False] * 4


def test_a_set_of_bound_names_is_a_set_of_their_values() -> None:
    space = space_of("space t\nsmall = 16\nlarge = 64\nwidth = choose {small, large}\nrequire width > 20\n")
    assert [int(v) for v in space.decision("width").values] == [16, 64]


def test_tables_by_constant_and_by_searched_key() -> None:
    text = """
space t
table cost(width: bit) from [[4, 10], [8, 25]] { area: um2 }
bits = choose {4, 8} bit
require cost(8 bit).area == 25 um2
require cost(bits).area == 10 um2
"""
    space = space_of(text)
    assert holds(space, {"bits": Fraction(4)}) is True
    assert holds(space, {"bits": Fraction(4)}, 1) is True
    assert holds(space, {"bits": Fraction(8)}, 1) is False


def test_a_searched_key_without_a_row_is_refused_unless_guarded() -> None:
    table = "table cost(width: bit) from [[4, 10], [8, 25]] { area: um2 }\nbits = choose {4, 6, 8} bit\n"
    assert told(f"space t\n{table}require cost(bits).area > 0 um2\n") == ["CS222 cost(bits)"]
    space = space_of(f"space t\n{table}require (if bits == 6 bit then 0 um2 else cost(bits).area) > 11 um2\n")
    assert [holds(space, {"bits": Fraction(b)}) for b in (4, 6, 8)] == [False, False, True]


def test_defs_take_names_positions_defaults_and_earlier_parameters() -> None:
    before = "def area(rows, cols = rows) = rows * cols\ndef both(x) { a = x + 1; b = a * 2 }"
    assert true("area(3) == 9 and area(3, 4) == 12 and area(cols = 2, rows = 5) == 10", before)
    assert true("both(1).a == 2 and both(1).b == 4", before)
    assert true("last(3) == 7", "def last(x) { y = x * 2; y + 1 }")


def test_declared_types_of_parameters_are_checked() -> None:
    before = "space t\ndef f(w: bit, share: 0..1 = 1/2, mode: {a, b} = a, n: int = 1) = w * share * n\n"
    assert told(before + "x = f(3)\n") == ["CS302 3"]
    assert told(before + "x = f(3 bit, 2)\n") == ["CS305 2"]
    assert told(before + "x = f(3 bit, mode = c)\n") == ["CS206 c"]
    assert told(before + "x = f(3 bit, n = 1/2)\n") == ["CS301 1/2"]
    assert told(before + "x = f(8 bit, mode = b)\nrequire x == 4 bit\n") == []


@pytest.mark.parametrize(
    ("bits", "wrong"),
    [
        ("0 bit", True),
        ("33 bit", True),
        ("n * 1 bit", True),
        ("8 bit; weights = 64 bit", True),
        ("choose {0, 4} bit", True),
        ("choose {8, 64} bit per layer", True),
        ("random {0, 4} bit per image", True),
        ("(choose a {0, 33}) * 1 bit", True),  # never inside
        ("1 bit; weights = 32 bit", False),
        ("(choose a {0, 4}) * 1 bit", False),  # a requirement may leave 0 out
        ("choose {4, 0 when n > 5} bit", False),
        ("choose {(if on then 0 else 4), 8} bit", False),
    ],
)
def test_a_precision_has_1_to_32_bits(bits: str, wrong: bool) -> None:
    head = f"space t\n{spaces.IMPORTS}\nparam n = 0\non = choose {{true, false}}\n"
    found = told(f"{head}{spaces.NETWORK} {{ linear(x, out = 10) }}\nprecision of net {{ both = {bits} }}\n")
    assert [t.split()[0] for t in found if "CS305" in t] == ["CS305"] * wrong, found


def test_a_fold_over_what_may_be_empty_needs_a_value_then() -> None:
    text = "space t\nn = choose {1, 2, 3}\nrequire max(i for i in {1, 2} when i > n) > 1\n"
    assert told(text) == ["CS215 max(i for i in {1, 2} when i > n)"]
    space = space_of(text.replace("> n)", "> n, empty = 0)"))
    assert [holds(space, {"n": Fraction(n)}) for n in (1, 2, 3)] == [True, False, False]


def test_what_divides_by_a_decision_is_undefined_there_and_nowhere_else() -> None:
    space = space_of("space t\nn = choose 0..2\nrequire 4 / n <= 2\nrequire n == 0 or 4 / n <= 2\n")
    assert [holds(space, {"n": Fraction(n)}) for n in range(3)] == [UNDEFINED, False, True]
    assert [holds(space, {"n": Fraction(n)}, 1) for n in range(3)] == [True, False, True]


@pytest.mark.parametrize(
    "text, code",
    [
        ('a = {1, "b"} bit', 'CS301 "b"'),
        ("a = choose {x = 1, y = true}", "CS301 choose {x = 1, y = true}"),
        ("a = choose {x = 1, y = {2, 3}}", "CS301 y = {2, 3}"),
        ("a = [1, 2][1, 2]", "CS212 [1, 2][1, 2]"),
        ('table t(k: text) from [["a", "b"]] { c: um2 }\nd = t("a").c', 'CS302 "b"'),
    ],
)
def test_members_of_the_wrong_kind_are_told(text: str, code: str) -> None:
    assert told(f"space t\n{text}\n") == [code]


def test_new_symbols_may_resemble_known_names_and_be_called_like_units() -> None:
    text = """space s
unit slot
tuner = choose {fast(settle = 20 ns), slow(settle = 4 us)}
order = choose orders({m, s, k})
minimize tuner.settle
"""
    found = compile_text(text)
    assert found.space is not None and not found.diagnostics
    assert [len(d.values) for d in found.space.decisions] == [2, 6]


def test_a_misspelt_call_among_known_ones_is_told_with_the_word_that_was_meant() -> None:
    text = "space s\ndef conv(k: 1..9) = k * 2\nq = choose {conv(k = 2), conw(k = 3)}\nminimize q\n"
    (found,) = compile_text(text).diagnostics
    assert (found.code, text[found.span.start : found.span.end]) == ("CS205", "conw")
    assert found.help == "did you mean `conv`?"


LEFT_OUT = (
    "require k == 12 or a / (k - 12) < 1",
    "require not (k != 12 and a / (k - 12) >= 1)",
    "require mod(a, k - 12) < 0 when k != 12",
    "require k == 12 or sizes[k] < 0",
    "require k == 12 or 3 ^ 10_000_000_000 < a",
)
"""Of the parameter `k`; at 13 they are read, and say something."""


@pytest.mark.parametrize("line", LEFT_OUT)
def test_what_parameters_leave_out_is_not_read(line: str) -> None:
    text = f"space t\nparam k = 12\nsizes = [1, 2, 3]\na = choose {{1, 2}}\n{line}\nminimize a\n"
    found = compile_text(text)
    assert not found.diagnostics and found.space is not None
    for r in found.space.requirements:
        assert evaluate(r.guard, {}) is False or evaluate(r.value, {}) is True
    read = compile_text(text.replace("k = 12", "k = 13"))
    assert read.diagnostics or any(r.value.free or r.value is FALSE for r in read.space.requirements)  # type: ignore[union-attr]
