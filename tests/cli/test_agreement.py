"""What the verbs agree on: how a value is written, what `--fix` means, and that nothing is feasible."""

import json
from fractions import Fraction
from pathlib import Path

import cospace
import pytest
from cospace.cli.inputs import show_design
from cospace.cli.main import app
from cospace.compiler.cost import holds
from cospace.compiler.driver import compile_text
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space.graph import Symbol, Value
from cospace.compiler.space.model import Space
from typer.testing import CliRunner

VALUES = """space values
skip = choose {true, false}
size = choose {1_024, 2_048}
room = choose {64, 128} KiB
kind = choose {small, large}
require size <= 1_024 when kind == large
minimize size * room * (if skip then 1 else 2)
"""


def run(*words: str):  # type: ignore[no-untyped-def]
    done = CliRunner().invoke(app, list(words), env={"NO_COLOR": "1", "COLUMNS": "200"})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def write(folder: Path, text: str) -> str:
    path = folder / "spec.cospace"
    path.write_text(text, encoding="utf-8")
    return str(path)


# ---- how a value is written


@pytest.mark.parametrize(
    "words",
    [
        ("best", "SPEC"),
        ("sample", "SPEC", "--fix", "skip=true", "--fix", "size=1024", "--fix", "room=64KiB"),
        ("check", "SPEC", "--why", "skip=true"),
        ("compile", "SPEC"),
        ("compile", "SPEC", "--emit", "model"),
        ("count", "SPEC", "--fix", "skip=maybe"),
        ("count", "SPEC", "--fix", "size=3"),
        ("count", "SPEC", "--fix", "room=3"),
    ],
)
def test_values_are_written_as_the_language_writes_them(words: tuple[str, ...], tmp_path: Path) -> None:
    spec = write(tmp_path, VALUES)
    done = run(*(spec if w == "SPEC" else w for w in words))
    said = done.stdout + done.stderr
    assert "True" not in said and "False" not in said and "1024" not in said and "1,024" not in said
    assert any(word in said for word in ("true", "1_024", "128} KiB"))


def test_what_is_printed_can_be_typed(tmp_path: Path) -> None:
    spec = write(tmp_path, VALUES)
    lines = [line.replace(" = ", "=", 1) for line in run("sample", spec).stdout.splitlines()]
    assert len(lines) == 4
    done = run("count", spec, "--json", *(word for line in lines for word in ("--fix", line)))
    assert json.loads(done.stdout)["feasible"] == "1"


# ---- what `--fix` means

PINNED = """space pinned
import std.tasks
import std.graph
import std.learn
nodes = node_classification("digits")
network net(x: nodes.features, adj: nodes.graph) -> tensor[nodes.nodes, nodes.classes] {
    for layer in 1..2 {
        x = choose conv { lin = linear(x, out = choose width {16, 32}), skip = skip(x) }
    }
    linear(x, out = nodes.classes)
}
precision of net { weights = choose {4, 8} bit per layer; activations = 8 bit }
accelerator engine {
    rows = choose {4, 8}
    on matmul(m, k, n, wbits) { cycles = ceil(m / rows) * k * n; energy = m * k * n * (wbits / 1 bit) * 1 pJ }
    cycles = sum(works.cycles)
    energy = sum(works.energy)
    area   = rows * 1 mm2 + 0.2 mm2
}
require engine.energy <= 20 uJ "the battery"
minimize engine.energy * engine.area
"""
FIRST, LAST = "precision.weights[net.conv[1].lin]", "precision.weights[net.linear]"
FIXES = [
    {"precision.weights": "8"},
    {"precision.weights": "4bit"},
    {FIRST: "8 bit"},
    {"precision.weights": "4", LAST: "8"},
    {"precision.weights": "4", FIRST: "8"},
    {"net.conv": "lin", "engine.rows": "8"},
    {"net.conv.lin.width": "32"},
    {"net.conv[2].lin.width": "16", "precision.weights": "4"},
    {"net.conv": "skip", FIRST: "8"},
]


def designs_of(space: Space) -> list[dict[str, Value]]:
    """Every feasible design, by listing and by the reference evaluator alone."""
    found: list[dict[str, Value]] = [{}]
    for d in space.decisions:
        found = [
            extended
            for known in found
            for extended in ([{**known, d.path: v} for v in d.values] if evaluate(d.guard, known) is True else [known])
        ]
    return [f for f in found if all(holds(r, f) is True for r in space.requirements)]


def stem(path: str) -> str:
    """A path without its indices."""
    kept, depth = "", 0
    for sign in path:
        depth += sign == "["
        kept += sign * (depth == 0)
        depth -= sign == "]"
    return kept


def meets(design: dict[str, Value], fixes: dict[str, str], space: Space) -> bool:
    """The help's words: one decision is live and has the value; copies have it where they are live."""
    whole = {d.path for d in space.decisions}
    for path, text in fixes.items():
        wanted = Fraction(text.removesuffix("bit").strip()) if text[0].isdigit() else Symbol(text)
        copies = [path] if path in whole else [p for p in design if stem(p) == path and p not in fixes]
        if any(p not in design or str(design[p]) != str(wanted) for p in copies):
            return False
    return True


@pytest.fixture(scope="module")
def everything() -> tuple[Space, list[dict[str, Value]]]:
    space = compile_text(PINNED).space
    assert space is not None
    return space, designs_of(space)


@pytest.mark.parametrize("fixes", FIXES)
def test_fix_means_the_same_in_every_verb(
    fixes: dict[str, str],
    everything: tuple[Space, list[dict[str, Value]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space, designs = everything
    expected = [d for d in designs if meets(d, fixes, space)]
    assert len(expected) < len(designs)
    spec = write(tmp_path, PINNED)
    words = [word for path, value in fixes.items() for word in ("--fix", f"{path}={value}")]
    assert json.loads(run("count", spec, "--json", *words).stdout)["feasible"] == str(len(expected))

    checked = run("check", spec, "--json", *words)
    assert checked.exit_code == (0 if expected else 1)
    assert json.loads(checked.stdout)["ok"] is bool(expected)

    told = [json.dumps(show_design(space, d), sort_keys=True) for d in expected]
    if expected:
        drawn = run("sample", spec, "-n", str(40 * len(expected)), "--json", *words).stdout.splitlines()
        assert {json.dumps(json.loads(line), sort_keys=True) for line in drawn} == set(told)
        assert all(d in expected for d in cospace.load(spec).sample(20, fixed=fixes))

    best = json.loads(run("best", spec, "--json", *words).stdout)
    goal = space.objectives[0].value
    if expected:
        assert best["certified"]
        assert (
            Fraction(best["designs"][0]["objectives"]["engine.energy * engine.area"]["exact"])
            == min(
                evaluate(goal, d)
                for d in expected  # type: ignore[type-var]
            )
            / space.objectives[0].scale
        )
    else:
        assert best["designs"] == []

    lines = tmp_path / "designs.jsonl"
    every = [json.dumps(show_design(space, d), sort_keys=True) for d in designs]
    lines.write_text("\n".join(every), encoding="utf-8")
    answers = map(json.loads, run("cost", spec, "--designs", str(lines), "--json", *words).stdout.splitlines())
    assert [line for line, a in zip(every, answers, strict=True) if a.get("feasible")] == told

    seen: list[Space] = []
    monkeypatch.setattr("cospace.runtime.modelled.run", lambda given, *rest, **more: seen.append(given))
    monkeypatch.setattr("cospace.cli.search._run", lambda folder, search, *rest: search(None, None))
    assert run("search", spec, "--out", str(tmp_path / "out"), *words).exit_code == 0
    assert designs_of(seen[0]) == expected


def test_two_values_for_one_decision_are_refused(tmp_path: Path) -> None:
    spec = write(tmp_path, VALUES)
    done = run("count", spec, "--fix", "size=1024", "--fix", "size=2048")
    assert done.exit_code == 1 and "CS805" in done.stderr and "pinned to two values" in done.stderr


# ---- units


def test_an_objective_has_one_unit_in_every_verb(tmp_path: Path) -> None:
    spec = write(tmp_path, "space units\na = choose {1, 1_000_000}\nminimize a * 3 nJ\nminimize a * 2 um2\n")
    designs = tmp_path / "designs.jsonl"
    designs.write_text('{"a": 1}\n{"a": 1000000}\n', encoding="utf-8")
    lines = run("cost", spec, "--designs", str(designs), "--json").stdout.splitlines()
    small, large = (json.loads(line)["objectives"] for line in lines)
    best = json.loads(run("best", spec, "--json").stdout)["designs"][0]["objectives"]
    for text, figure in small.items():
        assert figure["unit"] == large[text]["unit"] == best[text]["unit"]
        assert large[text]["value"] == pytest.approx(1_000_000 * figure["value"])
        assert figure["value"] == best[text]["value"]


# ---- nothing is feasible

NOTHING = """space nothing
DECISIONS
require SUM <= 3 "the budget"
minimize SUM
"""


@pytest.mark.parametrize("count", [2, 40])
def test_best_of_nothing_says_why_at_once(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def descend(*given: object) -> None:
        raise AssertionError("looked for designs where there are none")

    monkeypatch.setattr("cospace.compiler.engines.best._climb", descend)
    names = [f"x{i}" for i in range(count)]
    text = NOTHING.replace("DECISIONS", "\n".join(f"{n} = choose 2..9" for n in names))
    spec = write(tmp_path, text.replace("SUM", " + ".join(names)))
    done = run("best", spec)
    assert done.exit_code == 1
    assert "CS601" in done.stderr and f"the bound 3 is short: {2 * count} is the least" in done.stderr
    answer = json.loads(run("best", spec, "--json").stdout)
    assert answer["designs"] == [] and answer["certified"] is True
    assert [d["code"] for d in answer["diagnostics"]] == ["CS601"]


def test_of_a_long_front_some_designs_are_printed_and_all_as_json(tmp_path: Path) -> None:
    names = [f"x{i}" for i in range(12)]
    text = "space t\n" + "".join(f"{n} = choose 1..6\n" for n in names)
    front = f"minimize {' + '.join(f'{i + 1} * {n}' for i, n in enumerate(names))}\nmaximize {' + '.join(names)}\n"
    spec = write(tmp_path, text + front)
    done = run("best", spec)
    every = json.loads(run("best", spec, "--json").stdout)
    assert done.exit_code == 0 and every["certified"] is True and len(every["designs"]) > 12
    assert f"these are 12 of the {len(every['designs'])} designs of the front" in done.stdout
    assert done.stdout.count("x0 = ") == 12


def test_best_of_what_is_pinned_to_nothing_says_why(tmp_path: Path) -> None:
    done = run("best", write(tmp_path, VALUES), "--fix", "size=2048", "--fix", "kind=large")
    assert done.exit_code == 1 and "CS601" in done.stderr and "size <= 1_024" in done.stderr
