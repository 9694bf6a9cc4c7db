"""Tables: keys of every kind, files, what is absent; look-ups in every backend against plain Python."""

from __future__ import annotations

import itertools
import random
import time
from fractions import Fraction
from pathlib import Path

import numpy
import pytest
from cospace.compiler.checks.check import check
from cospace.compiler.cost import breakdown
from cospace.compiler.counting.count import count
from cospace.compiler.driver import compile_file
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.numbers.numbers import Program
from cospace.compiler.sampling.sample import Sampler
from cospace.compiler.space.designs import decode
from cospace.compiler.space.model import Space
from cospace.compiler.space.schema import dumps, loads, to_json

from tests.compiler.spaces import space_of, told
from tests.pace import at_most

OPS = ("none", "skip", "conv", "pool", "wide")


def compiled(folder: Path, text: str, data: Path | None = None) -> Space:
    spec = folder / "spec.cospace"
    spec.write_text(text, encoding="utf-8")
    found = compile_file(spec, {}, data)
    assert found.space is not None, [f"{d.code} {d.message}" for d in found.diagnostics]
    return found.space


def measured(folder: Path, keys: int) -> dict[tuple[str, ...], Fraction]:
    """A file with a row for every list of operators, and its latencies."""
    rng = random.Random(7)
    values = {}
    lines = [",".join([*(f"op_{i}" for i in range(1, keys + 1)), "latency"])]
    for ops in itertools.product(OPS, repeat=keys):
        shown = f"{rng.randint(0, 10**6) / 1000:.3f}"
        values[ops] = Fraction(shown)
        lines.append(",".join([*ops, shown]))
    (folder / "measured.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return values


TEXT = """
space searched
operators = {none, skip, conv, pool, wide}
table measured(op: list(operators, KEYS)) from "measured.csv" { latency: ms }
EDGES
row = measured([ITEMS])
require row.latency <= 250 ms
minimize row.latency
"""


def listed(keys: int) -> str:
    edges = "\n".join(f"e{i} = choose operators" for i in range(1, keys + 1))
    items = ", ".join(f"e{i}" for i in range(1, keys + 1))
    return TEXT.replace("KEYS", str(keys)).replace("EDGES", edges).replace("ITEMS", items)


def test_a_list_key_takes_one_column_an_element(tmp_path: Path) -> None:
    values = measured(tmp_path, 3)
    space = compiled(tmp_path, listed(3))
    wanted = {ops for ops, v in values.items() if v <= 250}
    assert count(space).feasible == len(wanted)
    for row in Sampler(space).sample(50, seed=1):
        design = decode(space.decisions, row)
        ops = tuple(str(design[f"e{i}"]) for i in (1, 2, 3))
        assert ops in wanted
        (cost,) = breakdown(space, design)["objectives"].values()
        assert Fraction(cost.get("exact", str(cost["value"]))) in (values[ops], values[ops] / 1000) or ops in wanted
    assert check(space).ok is True


def test_a_table_of_15_625_rows_is_quick(tmp_path: Path) -> None:
    values = measured(tmp_path, 6)
    start = time.perf_counter()
    space = compiled(tmp_path, listed(6))
    found = count(space)
    assert found.feasible == sum(v <= 250 for v in values.values())
    rows = numpy.array(list(itertools.product(range(5), repeat=6)))
    (numbers,) = Program([space.objectives[0].value], space.decisions)(rows)
    expected = [float(values[tuple(OPS[i] for i in row)] / 1000) for row in rows]
    assert numbers.tolist() == expected
    Sampler(space).sample(10)
    assert time.perf_counter() - start < at_most(20)
    again = loads(dumps(to_json(space)))
    assert count(again).feasible == found.feasible


def test_a_data_folder_comes_before_the_specs_own(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    text = 'space t\ntable c(op: text) from "c.csv" { n: int }\nrequire c("a").n == 2\n'
    (tmp_path / "c.csv").write_text("op,n\na,1\n", encoding="utf-8")
    (data / "c.csv").write_text("n,op\n2,a\n", encoding="utf-8")
    assert count(compiled(tmp_path, text)).feasible == 0
    assert count(compiled(tmp_path, text, data)).feasible == 1


def test_an_absent_value_is_undefined_where_too_many_designs_read_it() -> None:
    rows = ", ".join(f"[{i}, {i * i}]" for i in range(1, 300))
    text = (
        f"space t\ntable square(n: int) from [{rows}] {{ n2: int }}\na, b = choose 1..300\nrequire square(SAY).n2 > 4\n"
    )
    assert told(text.replace("SAY", "a")) == ["CS222 square(a)"]
    space = space_of(text.replace("SAY", "max(a, b)"))
    report = check(space)
    assert report.ok is False
    assert "CS602" in [d.code for d in report.diagnostics]
    guarded = text.replace("SAY", "a").replace("require", "require").replace("> 4", "> 4 when a < 300")
    assert count(space_of(guarded)).feasible == sum(1 for a in range(1, 301) if a == 300 or a * a > 4) * 300


def test_typed_columns_in_place() -> None:
    text = """
space t
kinds = {fast, slow}
table cost(kind: kinds, bits: bit, wide: bool) from [
    [fast, 4, true, 2, "a"], [fast, 8, true, 3, "b"], [slow, 4, true, 5, "c"], [slow, 4, false, 7, "d"],
] { energy: pJ; name: text }
kind = choose kinds
bits = choose {4, 8} bit
wide = choose {true, false}
require (kind == fast and wide) or (kind == slow and bits == 4 bit)
require (if wide and (kind == fast or bits == 4 bit) then cost(kind, bits, wide).energy else 1 pJ) <= 3 pJ
require cost(fast, 4 bit, true).name == "a"
"""
    space = space_of(text)
    assert count(space).feasible == 2 + 1


@pytest.mark.parametrize(
    "text, code",
    [
        ("table c(k: {a, b}) from [[a, 1]] { v: int }\nx = c(d).v", "CS206 d"),
        ("table c(k: {a, b}) from [[z, 1]] { v: int }\nx = c(a).v", "CS206 z"),
        ("table c(k: int) from [[1, 1/2]] { v: int }\nx = c(1).v", "CS223 1/2"),
        ("table c(v: int) from [[1, 2]] { v: int }\nx = c(1).v", "CS210 v: int"),
        ("table c(k: int, k: int) from [[1, 2, 3]] { v: int }\nx = c(1, 2).v", "CS210 k: int"),
        ("table c(k: int) from [[1, 2]] { v: 0..1 }\nx = c(1).v", "CS223 2"),
        ("table c(k: int) from [[1, none]] { v: ms }\nx = c(1).v", "CS222 v"),
        ("table c(k: list(int, 2)) from [[[1, 2], 3]] { v: int }\nx = c([1]).v", "CS301 [1]"),
        ("n = choose {1, 2}\ntable c(k: int) from [[1, n]] { v: int }\nx = c(1).v", "CS223 n"),
        ("table c(k: int) from [] { v: int }\nx = c(1).v", "CS223 from []"),
    ],
)
def test_refusals(text: str, code: str) -> None:
    assert told(f"space t\n{text}\n") == [code]


IN_FILE = 'space t\ntable c(op: text) from "c.csv" { n: TYPE }\nrequire c("a").n == VALUE\n'


def refused(folder: Path, text: str, data: bytes | None = None) -> str:
    """Code and message of the only error of a spec beside a file `c.csv`."""
    if data is not None:
        (folder / "c.csv").write_bytes(data)
    spec = folder / "spec.cospace"
    spec.write_text(text, encoding="utf-8")
    (found,) = compile_file(spec, {}, None).diagnostics
    return f"{found.code} {found.message}"


@pytest.mark.parametrize(
    "data, said",
    [
        (b"", "needs a first line that names its columns"),
        (b"op,op\na,1\n", "needs a first line that names its columns, each once"),
        (b"op,n\na,1,2\n", "line 2 of `c.csv` has 3 cells, and its first line 2"),
        (b"op,n\na,\xff\n", "`c.csv` can't be read: "),
        (b'op,n\na,"1\n', "`c.csv` can't be read: "),
        (b"op,n\na,1\na,2\n", "two rows for"),
        (b"op,n\n,2\na,1\n", "line 2 of `c.csv` has no `op`, which is a key"),
        (b"op,m\na,1\n", "`n`"),
        (b"op,n\na,x\n", "is a number, and `x` isn't one"),
        (b"op,n\na," + b"1" * 65 + b"\n", "is a number, and"),
        (b"op,n\na,1e9999\n", "is out of reach"),
    ],
)
def test_a_file_that_is_no_such_table_is_named_with_its_line(tmp_path: Path, data: bytes, said: str) -> None:
    assert said in refused(tmp_path, IN_FILE.replace("TYPE", "real").replace("VALUE", "1"), data)


def test_cells_are_read_as_their_columns_say(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("op,n\n\na, TRUE \nb,false\nc,nan\n", encoding="utf-8")
    text = IN_FILE.replace("TYPE", "bool").replace("VALUE", "true")
    assert count(compiled(tmp_path, text)).feasible == 1
    assert count(compiled(tmp_path, text.replace('"a"', '"b"'))).feasible == 0
    (tmp_path / "c.csv").write_text("op,n\na,yes\n", encoding="utf-8")
    assert "is true or false, not `yes`" in refused(tmp_path, text)


@pytest.mark.parametrize("name", ["/etc/passwd", "../c.csv", ""])
def test_a_file_outside_of_the_folder_is_not_read(tmp_path: Path, name: str) -> None:
    text = IN_FILE.replace("TYPE", "real").replace("VALUE", "1").replace("c.csv", name)
    assert "is not a file below the spec's folder" in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"op;size;ms\nconv;1;2,5\n", "has semicolons between its columns, where a table has commas"),
        (b"op\tsize\tms\nconv\t1\t2.5\n", "has tabs between its columns"),
        (b"op|size|ms\nconv|1|2.5\n", "has bars between its columns"),
        (b'"op" ; "size" ; "ms"\n', "has semicolons between its columns"),
        (b"op size ms\nconv 1 2.5\n", "has spaces between its columns"),
    ],
)
def test_what_separates_a_file_is_said(tmp_path: Path, text: bytes, said: str) -> None:
    (found,) = read_beside(tmp_path, text)
    assert found.code == "CS233" and said in found.message
    assert found.help is not None and found.help.endswith("its first line would read `op,size,ms`")


SIZED = 'space t\ntable c(op: text, size: int) from "c.csv" { ms: ms }\nsize = choose {1, 2}\n'


def read_beside(folder: Path, data: bytes, further: str = 'require c("conv", size).ms >= 2 ms\n'):  # type: ignore[no-untyped-def]
    (folder / "c.csv").write_bytes(data)
    (folder / "t.cospace").write_text(SIZED + further, encoding="utf-8")
    return compile_file(folder / "t.cospace").diagnostics


@pytest.mark.parametrize(
    "data",
    [b"op, size, ms\nconv, 1, 2.5\nconv, 2, 3\n", b'"op", "size",ms \n"conv", 1 ,"2.5"\n conv ,2, 3\n',
     b"ms,size,op\n\n2.5,1,conv\n\n3,2,conv\n"],
)  # fmt: skip
def test_spaces_around_names_and_cells_mean_nothing(tmp_path: Path, data: bytes) -> None:
    assert read_beside(tmp_path, data) == ()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"op,size,ms\n\nconv,1,2\n\nconv,x,3\n", "line 5 of `c.csv`: `size` is a number, and `x` isn't one"),
        (b'op,size,ms\n"a\nb",1,2\nconv,1,3\nconv,2,4x\n', "line 5 of `c.csv`: `ms` is a number, and `4x` isn't one"),
        (b'op,size,ms\n"a\nb",1,2\nconv,2.5,2\n', "line 4 of `c.csv`: `size` is a whole number, not 5/2"),
        (b"op,size,ms\nconv,1,2\n\nconv,2,3\nconv,1,4\n", "`c` has two rows for conv, 1 (lines 2 and 5 of `c.csv`)"),
        (b"op,size,ms\nconv,1,2\n\nconv,,3\n", "line 4 of `c.csv` has no `size`, which is a key"),
        (b"op,size,ms\nconv,1,2\n\nconv,2\n", "line 4 of `c.csv` has 2 cells, and its first line 3"),
        (b"op,size,ms\nconv,1,2\nconv,2,\n", "`c` has no `ms` for `conv, 2`: the cell is empty"),
    ],
)
def test_lines_are_those_of_the_file(tmp_path: Path, data: bytes, said: str) -> None:
    (found,) = read_beside(tmp_path, data)
    assert found.message == said


def test_each_value_of_a_file_is_exact(tmp_path: Path) -> None:
    cells = [
        "2.50",
        "+2.5",
        "1e3",
        "0.1",
        "7/3",
        "-0.0",
        "00012.5",
        "1_000",
        " 4 ",
        "123456789012345678901.5",
        ".5",
        "5.",
    ]
    lines = [f"conv,{i},{cell}" for i, cell in enumerate(cells)]
    (tmp_path / "c.csv").write_text("op,size,ms\n" + "\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "t.cospace").write_text(
        SIZED.replace("{1, 2}", f"0..{len(cells) - 1}") + 'minimize c("conv", size).ms\n', encoding="utf-8"
    )
    compiled = compile_file(tmp_path / "t.cospace")
    assert compiled.space is not None, compiled.diagnostics
    for i, cell in enumerate(cells):
        found = evaluate(compiled.space.objectives[0].value, {"size": Fraction(i)})
        assert found == Fraction(cell.strip()) / 1_000, cell


def test_a_long_table_is_read_before_long(tmp_path: Path) -> None:
    """200,000 rows, of which one key's are read."""
    rows = "".join(f"{'conv' if i % 2 else 'pool'},{i // 2},{i}.{i % 997:03}\n" for i in range(200_000))
    start = time.process_time()
    (found,) = read_beside(tmp_path, b"op,size,ms\n" + rows.encode(), 'require c("conv", size).ms >= 2 m\n')
    assert found.code == "CS203"
    assert read_beside(tmp_path, b"op,size,ms\n" + rows.encode()) == ()
    assert time.process_time() - start < at_most(30)


def test_a_key_of_another_kind_is_told_how_to_be_declared(tmp_path: Path) -> None:
    (found,) = read_beside(tmp_path, b"op,size,ms\nconv,1,2\n", "k = choose {conv, pool}\nrequire c(k, 1).ms >= 2 ms\n")
    assert found.code == "CS301" and found.help == "declare the key by its symbols: `op: {conv, pool}`"
