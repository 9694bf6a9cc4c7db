"""`cospace check --apply`: repairs are made in the author's files, whole, and only the sure ones unless asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from cospace.cli.apply import repaired, repairs
from cospace.cli.main import app
from cospace.dsl.diagnostics import Diagnostic, Fix, Span
from cospace.dsl.suggest import meant
from typer.testing import CliRunner

SURE = 'space s "t"\nrows = choose {1, 2}\nwidth = choose {1, 2}\nrequire rws <= 1\nrequire widht <= 1\n'
MEANT = SURE.replace("rws", "rows").replace("widht", "width")
UNSURE = 'space s "t"\nrate = choose {1, 2}\nrats = choose {1, 2}\nrequire ratx + rate + rats <= 9\n'


def check(*words: str):  # type: ignore[no-untyped-def]
    return CliRunner().invoke(app, ["check", *words])


@pytest.mark.parametrize(("mark", "end"), [("", "\n"), ("\ufeff", "\n"), ("", "\r\n")])
def test_sure_repairs_are_written_and_checked_again(tmp_path: Path, mark: str, end: str) -> None:
    path = tmp_path / "s.cospace"
    path.write_bytes((mark + SURE.replace("\n", end)).encode())
    assert check(str(path)).exit_code == 1
    done = check(str(path), "--apply")
    assert done.exit_code == 0, done.output
    assert path.read_bytes() == (mark + MEANT.replace("\n", end)).encode()
    assert "s: fine" in done.stdout


def test_diff_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.cospace"
    path.write_text(SURE)
    done = check(str(path), "--apply", "--diff")
    assert done.exit_code == 1 and path.read_text() == SURE
    assert "+require rows <= 1" in done.stdout and "-require rws <= 1" in done.stdout
    assert check(str(path), "--diff").exit_code == 2


def test_one_way_out_of_several_is_made_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "s.cospace"
    path.write_text(UNSURE)
    assert check(str(path), "--apply").exit_code == 1
    assert path.read_text() == UNSURE
    assert check(str(path), "--apply-all").exit_code == 0
    assert path.read_text() == UNSURE.replace("ratx", "rate")


def test_a_read_only_file_is_said_and_left(tmp_path: Path) -> None:
    path = tmp_path / "s.cospace"
    path.write_text(SURE)
    path.chmod(0o444)
    done = check(str(path), "--apply")
    assert done.exit_code == 1 and "CS807" in done.stderr and path.read_text() == SURE


def test_of_two_that_overlap_only_the_first_is_made() -> None:
    fixes = [Fix(Span("f", 0, 3), "one", ""), Fix(Span("f", 2, 5), "two", ""), Fix(Span("f", 6, 6), "!", "")]
    found = repairs([Diagnostic("CS101", "error", "", f.span, fix=f) for f in fixes], unsure=False)
    assert found == {"f": [fixes[0], fixes[2]]}
    assert repaired("abcdef", found["f"]) == "onedef!"


def test_only_an_only_near_word_is_sure() -> None:
    sure = {word: near.sure for word, names in (("bufer", ["buffer"]), ("ratx", ["rate", "rats"]))
            if (near := meant(word, names)) is not None}  # fmt: skip
    assert sure == {"bufer": True, "ratx": False}
    far = meant("acumulatr_widt", ["accumulator_width"])
    assert far is not None and not far.sure
