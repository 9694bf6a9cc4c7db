"""What text means as a tree: precedence, lines, numbers, docs, decisions, and going on after errors."""

from __future__ import annotations

from fractions import Fraction

import pytest
from cospace.dsl import tree
from cospace.dsl.build import RESERVED
from cospace.dsl.codes import codes, examples, explain
from cospace.dsl.diagnostics import Reporter
from cospace.dsl.parse import parse
from cospace.dsl.suggest import closest
from cospace.dsl.tree import Ask, Binary, Bind, Call, Compare, Decision, If, Member, Name, Number, Range, SetOf, Unary


def file_of(text: str) -> tree.File:
    reporter = Reporter()
    file = parse(text, "t", reporter)
    assert not reporter.found, [d.message for d in reporter.found]
    return file


def value(text: str) -> tree.Expr:
    (statement,) = file_of("x = " + text).statements
    assert isinstance(statement, Bind)
    return statement.value


def codes_of(text: str) -> list[str]:
    reporter = Reporter()
    parse(text, "t", reporter)
    return [d.code for d in reporter.found]


def number(n: object, unit: str | None = None) -> Number:
    return Number(Fraction(str(n)), unit)


a, b, c = Name("a"), Name("b"), Name("c")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-3", number("1/1000")),
        ("2_048", number(2048)),
        ("5 %", number(5, "%")),
        ("0.9 pJ / bit", Binary("/", number("9/10", "pJ"), Name("bit"))),
        ("-a ^ 2", Unary("-", Binary("^", a, number(2)))),
        ("a ^ b ^ c", Binary("^", a, Binary("^", b, c))),
        ("a - b - c", Binary("-", Binary("-", a, b), c)),
        ("a + b * c", Binary("+", a, Binary("*", b, c))),
        ("not a and b or c", Binary("or", Binary("and", Unary("not", a), b), c)),
        ("0 <= a < b", Compare((number(0), a, b), ("<=", "<"))),
        ("a in {b}", Compare((a, SetOf((tree.Alternative(None, b),))), ("in",))),
        ("3 in {b}", Compare((number(3), SetOf((tree.Alternative(None, b),))), ("in",))),
        ("3 inch in {b}", Compare((number(3, "inch"), SetOf((tree.Alternative(None, b),))), ("in",))),
        ("1..4 step 2", Range(number(1), number(4), number(2))),
        ("if a then b else c", If(a, b, c)),
        ("a.map", Member(a, "map")),
        ("f(step = 2)", Call(Name("f"), (tree.Argument("step", number(2)),))),
        ("sum(a for a in b when c)", Call(Name("sum"), (tree.Argument(None, tree.Each(a, tree.Binder("a", b), c)),))),
        ("mean(a for b.c)", Call(Name("mean"), (tree.Argument(None, tree.Each(a, Member(b, "c"))),))),
        ("a at b.c = 4 bit", tree.Fixed(a, Member(b, "c"), number(4, "bit"))),
        ("ask f(m = a)", Ask(Name("f"), (tree.Argument("m", a),))),
        ("ask f().cycles", Member(Ask(Name("f"), ()), "cycles")),
        ('"a\\n\\"b\\""', tree.Text('a\n"b"')),
        ("choose 4..64 step 4", Decision("choose", None, Range(number(4), number(64), number(4)))),
        ("(a + b) * c", Binary("*", Binary("+", a, b), c)),
        ("a[b, c]", tree.Item(a, (b, c))),
    ],
)
def test_expressions(text: str, expected: tree.Expr) -> None:
    assert value(text) == expected


def test_labelled_choice() -> None:
    decision = value("choose conv { g = a when b, c } by [1, 2] per layer")
    assert isinstance(decision, Decision) and decision.label == "conv" and decision.per == "layer"
    assert isinstance(decision.domain, SetOf) and isinstance(decision.by, tree.ListOf)
    assert decision.domain.alternatives == (tree.Alternative("g", a, b), tree.Alternative(None, c))


def test_unit_covers_a_set() -> None:
    decision = value("choose {4, 8} bit")
    assert isinstance(decision, Decision) and isinstance(decision.domain, SetOf)
    assert decision.domain.unit == "bit" and decision.label is None


@pytest.mark.parametrize("word", sorted(RESERVED))
@pytest.mark.parametrize("before", ["3", "{3, 4}"])
def test_no_reserved_word_is_a_unit(word: str, before: str) -> None:
    reporter = Reporter()
    file = parse(f"x = {before} {word} a{' = 1' if word == 'at' else ''}\n", "t", reporter)
    for s in file.statements:
        assert isinstance(s, Bind) and not (isinstance(s.value, (Number, SetOf)) and s.value.unit == word)
    said = [d.message for d in reporter.found]
    assert said == [] or (len(said) == 1 and said[0].endswith(f"the word `{word}`"))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("x = a\n+ b", 1),
        ("x = a\n-b", 2),
        ("x = a\n# why\n+ b", 1),
        ("x = a +\n\n b", 1),
        ("x = f(a,\n\n b)", 1),
        ("x = a; y = b", 2),
        ("x = a\n\n\ny = b\n", 2),
        ("x = if a\n then b\n else c", 1),
        ("x = {\n a\n b,\n c\n}", 1),
        ("x = a\r\ny = b\r\n", 2),
    ],
)
def test_lines(text: str, count: int) -> None:
    assert len(file_of(text).statements) == count


def test_parentheses_belong_to_the_span() -> None:
    file = file_of("x = (a + b) * c")
    (bind,) = file.statements
    assert isinstance(bind, Bind) and isinstance(bind.value, Binary)
    span = bind.value.left.span
    assert file.text[span.start : span.end] == "(a + b)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = = 1\ny = 2 3\nz = )\n", ["CS101", "CS101", "CS103"]),
        ("accelerator e {\n rows = = 1\n cols = 2 3\n}\nx = f(\n", ["CS101", "CS101", "CS102"]),
        ("network n {\n x = choose c {\n  a = f(1 2)\n  b = g(3 4)\n }\n y = 5 6\n}\n", ["CS101", "CS101", "CS101"]),
        ("accelerator e f {\n rows = 1 2\n def (x) = 1\n}\nz = 1 2\n", ["CS101"] * 4),
        ("x = f(a\ny = g(b\nz = 3\n", ["CS102", "CS102"]),
        ("require x = 1\nx = 'a'\nx = \"a\nparam in = 1\n", ["CS112", "CS104", "CS105", "CS106"]),
        ("x = a ormore b", ["CS101"]),
    ],
)
def test_goes_on_after_errors(text: str, expected: list[str]) -> None:
    assert codes_of(text) == expected


def test_sound_statements_survive_errors() -> None:
    reporter = Reporter()
    file = parse("a = 1\nb = = 2\nc = 3\naccelerator e {\n d = 4\n e = 5 6\n f = 7\n}\ng = 8\n", "t", reporter)
    names = [s.targets[0].id for s in file.statements if isinstance(s, Bind) and isinstance(s.targets[0], Name)]
    assert names == ["a", "c", "g"]
    block = file.statements[2]
    assert isinstance(block, tree.Accelerator) and len(block.block.statements) == 2
    assert file.lost == {"b", "e"}


def test_a_block_with_a_wrong_header_adds_nothing() -> None:
    reporter = Reporter()
    file = parse("a = 1\nb = 2\naccelerator e params {\n d = 4\n e = 5 6\n}\ng = 8\n", "t", reporter)
    assert len(reporter.found) == 2 and len(file.statements) == 3 and "e" in file.lost


def test_suggestions() -> None:
    assert closest("bufer", ["rows", "buffer"]) == "buffer"
    assert closest("xyz", ["rows", "buffer"]) is None
    assert closest("ROWS", ["rows"]) == "rows"
    assert closest("teh", ["the"]) == "the"


@pytest.mark.parametrize("code", [c for c in codes() if c < "CS200"])
def test_pages_show_what_they_say(code: str) -> None:
    assert explain(code).startswith(f"# {code}: ") and codes()[code]
    if code < "CS100":
        return
    assert all(code in codes_of(text) for text in examples(code, "bad"))
    assert not any(codes_of(text) for text in examples(code, "good"))
