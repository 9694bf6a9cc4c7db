"""What people type from other languages, and from memory: each is told with the way it is written here."""

from __future__ import annotations

import pytest
from cospace.compiler.driver import compile_text
from cospace.dsl.diagnostics import Diagnostic, Reporter
from cospace.dsl.parse import parse


def found(text: str) -> list[Diagnostic]:
    reporter = Reporter()
    parse(text, "t", reporter)
    return reporter.found


@pytest.mark.parametrize(
    ("text", "code", "help"),
    [
        ("choose = 3", "CS106", "choose_"),
        ("require = 3", "CS106", "require_"),
        ("x = if n == 1 then require n >= 1", "CS101", "require … when …"),
        ('space "mine"', "CS101", "space name"),
        ("n = choose 1 to 4", "CS101", "1..4"),
        ("n = choose (1, 2)", "CS101", "{a, b}"),
        ("n := 3", "CS101", "by `=` alone"),
        ("require n == 2 ? 1 : 0", "CS104", "if … then … else"),
        ("// said", "CS101", "#"),
        ("import ../kit", "CS101", "import folder.module"),
        ('import "kit"', "CS101", "import folder.module"),
        ("require n <= 3 for i in 1..3", "CS101", "for i in … { require … }"),
        ("m = choose {v for v in [3, 4]}", "CS101", "[e for x in domain"),
        ("x = 10 * choose 1..3", "CS101", "(choose …)"),
        ("x = choose 1..4 when\nrequire x <= 3", "CS101", "finish the line before"),
        ('require x <= 3 "fits" when x > 2', "CS101", "the text stands last"),
        ("maximise x", "CS101", "`maximize`"),
        ("require s contains a", "CS101", "`member in set`"),
        ("x = choose depth wide", "CS101", "`depth {…}`"),
        ("for i in 1..3:\n    require i > n\n}", "CS101", "write `{ … }`"),
        ("b = choose {4, 8} for l in layers", "CS101", "`choose … per layer`"),
        ("b[1] = choose {4, 8} for l in 1..4", "CS101", "write `b = [choose … for l in 1..4]`, and read `b[1]`"),
    ],
)
def test_the_help_says_how_it_is_written(text: str, code: str, help: str) -> None:
    (told,) = found(text)
    assert told.code == code and help in str(told.help)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("require n => 1", "require n >= 1"),
        ('require n >= 1, "enough"', 'require n >= 1 "enough"'),
        ('minimize n , "small"', 'minimize n  "small"'),
        ("b = choose {4, 8} for l in 1..4", "b = [choose {4, 8} for l in 1..4]"),
        ("b[l] = choose {4, 8} bit for l in 1..4  # each", "b = [choose {4, 8} bit for l in 1..4]  # each"),
        ("b = choose {x(c = 1),\n  y(c = 2)} for l in 1..4", "b = [choose {x(c = 1),\n  y(c = 2)} for l in 1..4]"),
        ("require n =< 1", "require n <= 1"),
        ("x = 10 * choose w {1, 2} mm", "x = 10 * (choose w {1, 2} mm)"),
        ("x = choose depth 1..4", "x = choose depth {1..4}"),
        ("x = f(a = 3 b = 4)", "x = f(a = 3, b = 4)"),
        ("x = f(a = 3 mm b = 4)", "x = f(a = 3 mm, b = 4)"),
        ("x = f(a = g(1) b = 4)", "x = f(a = g(1), b = 4)"),
        ("x = choose {a(cost = 1 size = 2), b}", "x = choose {a(cost = 1, size = 2), b}"),
        ("x = choose k { a = 1 b = 2 }", "x = choose k { a = 1, b = 2 }"),
        ("x = if form is direct then 1 else 2", "x = if form == direct then 1 else 2"),
        ("require form is not direct", "require form != direct"),
        ("require form equals direct", "require form == direct"),
        (
            "for i in 1..3 {\n    require i > n\n\n# below\nx = 1\n",
            "for i in 1..3 {\n    require i > n\n\n# below\n}\nx = 1\n",
        ),
        ("a = chose 4..32 step 2", "a = choose 4..32 step 2"),
        ("a = chooes {1, 2} * 3", "a = choose {1, 2} * 3"),
        ("rows: choose 4..64", "rows = choose 4..64"),
        ("def hits(p size) = p", "def hits(p, size) = p"),
        ("require a not in {b, c} and n > 1", "require not (a in {b, c}) and n > 1"),
        ("require a < = 3", "require a <= 3"),
        ('require b == 1\na + 1 <= 3 "fits"', 'require b == 1\nrequire a + 1 <= 3 "fits"'),
        ("require: a <= 3", "require a <= 3"),
        ("require a <= 3 if b == c", "require a <= 3 when b == c"),
        ("for i = 1..3 { require a <= i }", "for i in 1..3 { require a <= i }"),
        ("minimize a, b", "minimize a\nminimize b"),
        ("minimize a x b.c", "minimize a * b.c"),
        ("a = choose {1; 2}", "a = choose {1, 2}"),
        ("a = choose {1, 2\nb = choose {3, 4}", "a = choose {1, 2}\nb = choose {3, 4}"),
        ("table t(k: int) from [[1, 2, 3]] { v: int, w: int }", "table t(k: int) from [[1, 2, 3]] { v: int; w: int }"),
        ("a = choose {1, 2} 'of rows'", 'a = choose {1, 2} "of rows"'),
        ("def f(a): a + 1", "def f(a) = a + 1"),
        ("for i in 1..3:\n    require i > n\n}", "for i in 1..3 {\n    require i > n\n}"),
        ("require form in (a, b) and n > 1", "require form in {a, b} and n > 1"),
        ("x = choose (1, 2)", "x = choose {1, 2}"),
        ("x = (choose depth 4..16 bit step 4 bit) * 2", "x = (choose depth {4..16 bit step 4 bit}) * 2"),
        ("x = choose tile divisors(48) when n == 2", "x = choose tile {divisors(48)} when n == 2"),
        ("x = 1 - choose {1, 2} when n == 2", "x = 1 - (choose {1, 2}) when n == 2"),
    ],
)
def test_the_repair_leaves_no_mistake(text: str, wanted: str) -> None:
    fix = found(text)[0].fix
    assert fix is not None
    repaired = text[: fix.span.start] + fix.replacement + text[fix.span.end :]
    assert repaired == wanted and not found(repaired)


@pytest.mark.parametrize(
    "text",
    [
        "n = choose {1 2}\nrequire n <= 1",
        "m = choose {v for v in [3, 4]}\nrequire m <= 3",
        "a = choose {1, 2}\nfor i in 1..3 {\n    require i > a - 3\n\nb = a + 1\nmaximize b\nrequire b <= 2",
        "y = 1 + choose kind { a = 1, b = 2 }\nrequire y <= 2 and kind.a.w <= 3",
    ],
)
def test_what_a_mistake_took_away_is_not_told_again(text: str) -> None:
    assert [d.code for d in compile_text(f"space s\n{text}\n").diagnostics] in (["CS101"], ["CS102"])
