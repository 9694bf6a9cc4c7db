"""Each kind of mistake is refused where it stands: the code, and the words underlined."""

from __future__ import annotations

import pytest

from tests.compiler.spaces import IMPORTS, NETWORK, told

SWITCH = "s = switch {1, 2}\n"
ROWS = "table t(k: int) from [[1, 2]] { v: real }\n"

FUNCTIONS = [
    ("require floor(x = 2) > 1", "CS214 x = 2"),
    ("require mod(2) > 1", "CS214 mod(2)"),
    ("require sum([1, 2], start = 0) > 1", "CS214 start = 0"),
    ("require all([1, 2])", "CS301 [1, 2]"),
    ("require sum([true]) > 1", "CS301 [true]"),
    ("require mod([1, 2], 2) > 1", "CS301 [1, 2]"),
    ("a = choose powers(1, 8)", "CS301 powers(1, 8)"),
    ("a = choose powers(2, 8, 9)", "CS214 powers(2, 8, 9)"),
    ("b = choose {1/2, 2}\na = choose divisors(b)", "CS301 divisors(b)"),
    ("a = choose divisors(10_000_000_000_000)", "CS404 divisors(10_000_000_000_000)"),
    (
        "b = choose {0, 2}\nrequire max(x for x in [b, 1] when x > b) > 1",
        "CS215 max(x for x in [b, 1] when x > b)",
    ),
    ("def f(a) = a\nrequire f(1, 2) > 1", "CS214 2"),
    ("def f(a) = a\nrequire f(a = 1, a = 2) > 1", "CS214 a = 2"),
    ("def f(a: {x, y}) = a == x\nrequire f(z)", "CS206 z"),
    ("def f(a: {x, y}) = a == x\nrequire f(3)", "CS206 3"),
    ("def f(a: int) = a\nrequire f(1 bit) > 1", "CS302 1 bit"),
    ("def f(a: int) = a\nrequire f(true) > 1", "CS301 true"),
    ("def f(a: bool) = a\nrequire f(1)", "CS301 1"),
    ("def f(a: list) = sum(a)\nrequire f(1) > 1", "CS301 1"),
    ("def f(a: list(int, 3)) = a[1]\nrequire f([1, 2]) >= 1", "CS301 [1, 2]"),
    ("def f(a: list(int, 2)) = a[1]\nrequire f([1, 1/2]) >= 1", "CS301 [1, 1/2]"),
    ("def f(a: task) = 1\nrequire f(1) > 1", "CS301 1"),
    ("def f(a = 3 bit) = a\nrequire f(1) > 1 bit", "CS302 1"),
    ("def f(a = 3) = a\nrequire f(true)", "CS301 true"),
    ("def f(a: tensor[2]) = 1\nrequire f(1) > 1", "CS401 1"),
    ("def f(x: int) { a: int\n x }\nrequire f(2) == 2", "CS226 a: int"),
    ("require floor[1] > 1", "CS212 floor[1]"),
    ("require (3)[1] > 1", "CS212 (3)[1]"),
    ("n = choose {1, 2}\nl = []\nrequire l[n] > 1", "CS213 l[n]"),
    ("n = choose {1, 2}\nrequire sum(x for x in n) > 1", "CS301 x in n"),
    ("unit w = 3 > 2", "CS301 3 > 2"),
    ("minimize [1, 2]", "CS301 [1, 2]"),
    ("minimize true", "CS301 true"),
    ("minimize 3 when true", "CS226 true"),
    ("a.b = 3", "CS226 a.b"),
    ("part p { x = 1 }", "CS226 part p { x = 1 }"),
]
DECISIONS = [
    ("a = choose {1, 2} by [1, 2]", "CS301 [1, 2]"),
    ("a = choose {x = [1], [2]}", "CS205 [2]"),
    ("a = choose {x = [1], x = [2]}", "CS210 x = [2]"),
    ("a = choose {1, 2 bit}", "CS302 2 bit"),
    ("a = choose {1 bit, 1..2}", "CS302 {1 bit, 1..2}"),
    ("n = choose {1, 2}\na = choose {n, 3 bit}", "CS302 3 bit"),
    ("n = choose {1, 2}\na = choose {n, zz}", "CS205 zz"),
    ("a = choose 1..2_000_000", "CS404 1..2_000_000"),
    ("a = choose 1..4 step 0", "CS301 1..4 step 0"),
    ("a = choose {1 when false}", "CS403 {1 when false}"),
    ("a = choose {1 bit} bit", "CS302 1 bit"),
    ("r = random {1, 2}\na = choose r..3", "CS244 choose r..3"),
    ("t = choose {a(x = 1), a(x = 2)}", "CS210 a(x = 2)"),
    ("t = choose {a(x = 1, x = 2), b}", "CS214 x = 2"),
    ("s = random {1, 2} by 3", "CS245 3"),
    ("s = random {1, 2} by [1 bit, 2]", "CS245 [1 bit, 2]"),
    ("s = random {1, 2} by [1]", "CS245 [1]"),
    ("s = random {1, 2} by [-1, 2]", "CS245 [-1, 2]"),
    ("a = choose {1, 2}\ns = adapt {1 bit, 2 bit} by a", "CS245 a"),
    ("n = choose {1, 2}\ns = adapt {1, 2} by n", "CS245 n"),
    (f"{SWITCH}require all(s for s)", "CS301 s"),
    (f"{SWITCH}require sum(s > 1 for s) > 1", "CS301 s > 1"),
    (f"{SWITCH}require max(s for s when s > 5) > 1", "CS240 max(s for s when s > 5)"),
    (f"{SWITCH}require (s at s = 3) > 1", "CS240 3"),
    (f"{SWITCH}require (s at s = true) > 1", "CS240 true"),
    (f"{SWITCH}minimize each(s)", "CS240 each(s)"),
]
VALUES = [
    ("a = choose {1, 2} bit\nb = choose {1, 2}\nrequire a ^ b > 1 bit", "CS302 a ^ b"),
    ("require 3 dB + 2 bit > 0 dB", "CS302 3 dB + 2 bit"),
    ("b = choose {true, false}\nrequire (if b then 1 else true) > 1", "CS301 (if b then 1 else true)"),
    ("b = choose {true, false}\nx = if b then [1] else 3", "CS301 if b then [1] else 3"),
    ("p = 3\nrequire q == p", "CS201 q"),
    ("s = choose {p, q}\nrequire s in {p, 3}", "CS301 s in {p, 3}"),
    ("a = choose {1, 2} bit\nrequire a in [1, 2]", "CS302 a in [1, 2]"),
    ("l = [1, 2]\nrequire l == [1 bit, 2]", "CS302 l == [1 bit, 2]"),
    ("l = [1, 2]\nrequire l == {1, 2}", "CS301 {1, 2}"),
    ("l = [1, [2]]\nrequire l == [1, [2]]", "CS301 l"),
    ("n = choose {1, 2}\nl = {n, 2}\nrequire l == {1, 2}", "CS405 l"),
]
LISTS = [
    ("a = choose orders({1, 2}, 3)", "CS214 orders({1, 2}, 3)"),
    ("a = choose orders(x = {1, 2})", "CS214 orders(x = {1, 2})"),
    ("a = choose orders({})", "CS403 {}"),
    ("a = choose subsets(1..20)", "CS404 subsets(1..20)"),
    ("a = choose factors(1/2, 2)", "CS301 factors(1/2, 2)"),
    ("a = choose factors(10_000_000_000_000, 2)", "CS404 factors(10_000_000_000_000, 2)"),
    ("a = choose factors(2 ^ 30, 6)", "CS404 factors(2 ^ 30, 6)"),
    ("a = choose {[1], [1]}", "CS219 {[1], [1]}"),
    ("a = choose {[1], [1 bit]}", "CS302 {[1], [1 bit]}"),
    ("o = choose orders({1, 2})\nrequire down_to(o) == {1}", "CS214 down_to(o)"),
    ("o = choose subsets({1, 2})\nb = down_to(o, {1})", "CS301 o"),
    ("o = choose orders({1, 2})\nrequire true in o", "CS301 true in o"),
    ("o = choose orders({1, 2})\nrequire (2 bit) in o", "CS302 (2 bit) in o"),
    ("a = choose subsets({1, 2})\nn = choose {1, 2}\nrequire a == {1, n}", "CS405 {1, n}"),
    ("a = choose subsets({1 bit, 2 bit})\nrequire a == {1, 2}", "CS206 {1, 2}"),
    ("a = choose subsets({1, 2})\nrequire a == [1, 2]", "CS206 [1, 2]"),
]
TABLES = [
    ("table t(k: int) from [[1, 2], [1, 3]] { v: real }\nrequire t(1).v > 1", "CS223 [1, 3]"),
    ("table t(k: int) from [3] { v: real }\nrequire t(2).v > 1", "CS223 3"),
    (f"{ROWS}require t(k = 1).v > 1", "CS214 t(k = 1)"),
    (f"{ROWS}require t(1).w > 1", "CS211 w"),
    (f"{ROWS}require t(1 bit).v > 1", "CS302 1 bit"),
    (f"{ROWS}require t(true).v > 1", "CS301 true"),
    ("table t(k: {x, y}) from [[x, 2], [y, 3]] { v: real }\nrequire t(z).v > 1", "CS206 z"),
    ("table t(k: list(int, 2)) from [[1, 2, 2]] { v: real }\nrequire t(3).v > 1", "CS301 3"),
    ("table t(k: list(int, 2)) from [[1, 2, 2]] { v: real }\nrequire t([1]).v > 1", "CS301 [1]"),
    ("table t(k: int) from [[1, 2]] { v: tensor[3] }\nrequire t(1).v > 1", "CS306 tensor[3]"),
    ("table t(k: int) from [[1, 2]] { v: kilo }\nrequire t(1).v > 1", "CS203 kilo"),
    ("table t(k: int) from [[1, z]] { v: {x, zz} }\nrequire t(1).v == x", "CS206 z"),
    ("table t(k: int) from [[1, 2]] { v: real\n require v > 2 }\nrequire t(1).v > 1", "CS226 require v > 2"),
    ("table t(k: int) from [[1, 2, 3]] { v: real\n v: int }\nrequire t(1).v > 1", "CS210 v: int"),
]
HARDWARE = [
    ("accelerator e { a.b = 3\n c = 2 }", "CS226 a.b"),
    ("accelerator e { c = 2\n c = 3 }", "CS210 c"),
    ("accelerator e { part p { x = 1 }\n part p { y = 1 } }", "CS210 part p { y = 1 }"),
    ("network n(x: tensor[3]) -> tensor[3] { a.b = x\n x }", "CS226 a.b"),
    ("network net(x) { x }", "CS306 x"),
]


@pytest.mark.parametrize("text, said", FUNCTIONS + DECISIONS + VALUES + LISTS + TABLES + HARDWARE)
def test_a_mistake_is_told_at_its_place_and_once(text: str, said: str) -> None:
    assert told(f"space t\n{text}\n") == [said]


@pytest.mark.parametrize("inside, said", [("require a > 2", "CS226 require a > 2"), ("3", "CS226 3")])
def test_a_kind_of_work_holds_facts_and_what_it_is_made_of(inside: str, said: str) -> None:
    """A requirement that stood there would hold nowhere."""
    text = f"""
work w(a: int) {{ twice = 2 * a
    {inside}
}}
def op(x: tensor[v, f]) -> tensor[v, f] from "graph.op" {{ ask w(a = 1) }}
{NETWORK} {{ linear(op(x), out = nodes.classes) }}
precision of net {{ both = 8 bit }}
"""
    assert told(f"space t\n{IMPORTS}{text}") == [said]
