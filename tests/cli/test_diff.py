"""`cospace diff` against brute force: what was lost, gained and kept, over pairs of random texts."""

import json
import random
import re
from pathlib import Path

import pytest
from cospace.cli.main import app
from cospace.compiler.checks.difference import _Pair, difference
from cospace.compiler.driver import compile_text
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space.graph import implies
from cospace.compiler.space.model import Space
from typer.testing import CliRunner

from tests.compiler.generate import raw_designs
from tests.compiler.texts import generate

OLD = """space sizes
kind = choose {small, large}
rows = choose {4, 8, 16}
cols = choose {4, 8, 16}
extra = choose {1, 2} when kind == large
require rows * cols <= 128
minimize rows * cols
"""
TEXTS = 60


def feasible(space: Space) -> set[frozenset[tuple[str, object]]] | None:
    """The designs that meet every requirement; None where one of them has no value at a design that none excludes."""
    wanted = [implies(r.guard, r.value) for r in space.requirements]
    found = set()
    for design in raw_designs(space.decisions):
        held = [evaluate(e, design) for e in wanted]
        if any(h is not True and h is not False for h in held):
            return None
        if all(h is True for h in held):
            found.add(frozenset((path, str(value)) for path, value in design.items()))
    return found


def changed(text: str, rng: random.Random) -> str:
    """A text with a requirement left out, a number made another, or a value taken out of a set."""
    lines = text.splitlines()
    kind = rng.choice(["drop", "number", "value"])
    if kind == "drop" and (asked := [i for i, line in enumerate(lines) if line.startswith("require")]):
        del lines[rng.choice(asked)]
    elif kind == "value" and (sets := [i for i, line in enumerate(lines) if re.search(r"choose \{\w+, ", line)]):
        i = rng.choice(sets)
        lines[i] = re.sub(r"(choose \{)\w+, ", r"\1", lines[i], count=1)
    elif numbers := [i for i, line in enumerate(lines) if line.startswith("require") and re.search(r"\b\d+\b", line)]:
        i = rng.choice(numbers)
        lines[i] = re.sub(r"\b(\d+)\b", lambda m: str(int(m[1]) + rng.choice([1, 3])), lines[i], count=1)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("listed", [True, False])
def test_differences_are_what_brute_force_says(listed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Examples are of the list of all designs, or found by proof where they are too many to list."""
    if not listed:
        monkeypatch.setattr(_Pair, "_list", lambda pair, i: None)
    compared = moved = shown = 0
    for seed in range(TEXTS):
        text = generate(seed).text
        spaces = [compile_text(t).space for t in (text, changed(text, random.Random(seed)))]
        if None in spaces:
            continue
        old, new = (s for s in spaces if s is not None)
        before, after = feasible(old), feasible(new)
        if before is None or after is None or not old.decisions or not new.decisions:
            continue
        found = difference(old, new)
        for side, here, there in ((found.lost, before, after), (found.gained, after, before)):
            expected = len(here - there)
            assert side.count[0] <= expected and (side.count[1] is None or expected <= side.count[1]), text
            assert side.count == (expected, expected) or not found.old.exact, text
            if side.example is not None:
                example = frozenset((path, str(value)) for path, value in side.example.items())
                assert example in here - there and side.why, text
                shown += 1
            else:
                assert not expected, text
        if found.example is not None:
            for example in found.example:
                assert frozenset((path, str(value)) for path, value in example.items()) in before & after, text
        else:
            assert not before & after, text
        assert found.kept[0] <= len(before & after) <= (found.kept[1] or 0), text
        compared += 1
        moved += before != after
    assert compared >= TEXTS // 2 and moved >= compared // 4 and shown >= moved, (compared, moved, shown)


def run(folder: Path, new: str, *words: str) -> str:
    for name, text in (("old", OLD), ("new", new)):
        (folder / f"{name}.cospace").write_text(text, encoding="utf-8")
    paths = [str(folder / f"{name}.cospace") for name in ("old", "new")]
    done = CliRunner().invoke(app, ["diff", *paths, *words], env={"NO_COLOR": "1", "COLUMNS": "200"})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.stdout + done.stderr


def test_what_was_written_otherwise_and_what_it_did(tmp_path: Path) -> None:
    said = run(tmp_path, OLD.replace("rows = choose {4, 8", "rows = choose {8").replace("<= 128", "<= 256"))
    assert "otherwise: rows, without 4" in said
    assert "gone: rows * cols <= 128" in said and "new: rows * cols <= 256" in said
    assert "24 before, 18 after, 15 in both" in said
    assert "the new spec says: rows can't be 4" in said
    assert "the old spec said: rows * cols <= 128" in said


def test_the_same_designs_are_proved_to_be_the_same(tmp_path: Path) -> None:
    assert "the same designs, proved" in run(tmp_path, OLD.replace("rows * cols <= 128", "cols <= 128 / rows"))


def test_a_decision_of_one_alone_is_left_out_where_it_is_pinned(tmp_path: Path) -> None:
    more = OLD.replace("minimize", "bits = choose {4, 8}\nminimize")
    assert "--fix bits=" in run(tmp_path, more)
    assert "the same designs, proved" in run(tmp_path, more, "--fix", "bits=4")


def test_copies_of_a_requirement_are_told_once(tmp_path: Path) -> None:
    for name, top in (("was", 9), ("is", 8)):
        text = "space s\na = [choose 1..4 for i in 1..3]\nm = switch {1, 2, 3}\n"
        text += 'for i in 1..3 { require a[i] <= %d "low" }\n'
        text += 'require sum(a) * m <= %d * 4 "light"\nrequire a[1] + a[2] <= %d "pair"\n'
        (tmp_path / f"{name}.cospace").write_text(text % (top - 5, top, top), encoding="utf-8")
    done = CliRunner().invoke(app, ["diff", str(tmp_path / "was.cospace"), str(tmp_path / "is.cospace")])
    said = [line.strip() for line in done.stdout.splitlines() if line.startswith("require")]
    assert "require   otherwise: low (3 times)" in said and "require   otherwise: light (3 times)" in said, said
    assert not [line for line in said if "(at " in line or "[1]" in line]


def test_a_path_that_neither_has_is_said(tmp_path: Path) -> None:
    assert "CS805" in run(tmp_path, OLD, "--fix", "bits=4")


def test_an_objective_that_reads_otherwise_is_shown_at_a_design_of_both(tmp_path: Path) -> None:
    spaces = OLD.replace("minimize rows * cols", "cost = rows * cols\nminimize cost")
    other = spaces.replace("cost = rows * cols", "cost = 3 * rows * cols")
    (tmp_path / "was.cospace").write_text(spaces, encoding="utf-8")
    (tmp_path / "is.cospace").write_text(other, encoding="utf-8")
    done = CliRunner().invoke(app, ["diff", str(tmp_path / "was.cospace"), str(tmp_path / "is.cospace")])
    assert re.search(r"cost: \d+ before, \d+ now, at a design of both", done.stdout), done.stdout


def test_the_answer_for_programs(tmp_path: Path) -> None:
    answer = json.loads(run(tmp_path, OLD.replace("<= 128", "<= 64"), "--json"))
    assert answer["before"] == "24" and answer["after"] == answer["both"] == "18"
    assert (
        answer["lost"]["count"] == "6" and answer["lost"]["example"]["rows"] * answer["lost"]["example"]["cols"] == 128
    )
    assert answer["gained"] == {"count": "0", "example": None, "why": None}
    assert {(r["name"], r["change"]) for r in answer["requirements"]} == {
        ("rows * cols <= 128", "gone"), ("rows * cols <= 64", "new"),
    }  # fmt: skip


@pytest.mark.parametrize("missing", ["old", "new"])
def test_a_missing_file_is_said(missing: str, tmp_path: Path) -> None:
    (tmp_path / "there.cospace").write_text(OLD, encoding="utf-8")
    paths = [str(tmp_path / "none.cospace"), str(tmp_path / "there.cospace")]
    done = CliRunner().invoke(app, ["diff", *(paths if missing == "old" else paths[::-1])])
    assert done.exit_code == 1 and "none.cospace" in done.stderr
